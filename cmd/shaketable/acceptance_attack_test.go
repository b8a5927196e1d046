//go:build acceptance

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"shaketable/perturb"
)

// Attacks and subsets in production: each probe runs three of the eight variants, and a half of the media is attacked. The
// counters must be those of evaluate, less what each media leaves out; which that is, is worked out here from the key.

const attackedShare = .5

// attackedScene has gradients and a search without, both scored as 8-bit pictures.
func attackedScene(t *testing.T) *scene {
	t.Helper()
	attacks := []string{"fgsm(target=self, eps=1/255, forms=uint8)", "square(target=delta, eps=2/255, queries=20, forms=uint8)"}
	sc := newSceneWith(t, 4, fmt.Sprintf("probe: {variants_per_probe: 3}\nattacks: {rate: %v, list: [%q, %q]}\n", attackedShare, attacks[0], attacks[1]),
		"--attacks", attacks[0]+", "+attacks[1])
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	sc.ran = func(file string, v int) bool {
		if v > len(suite.Variants) {
			return attackedMedia(file)
		}
		return slices.Contains(perturb.Picks(suite, 3, perturb.Seed(file, suite.Version)), v)
	}
	return sc
}

func attackedMedia(id string) bool {
	h := hmac.New(sha256.New, []byte(acceptanceKey))
	h.Write([]byte("attack\x00" + id))
	return float64(binary.BigEndian.Uint64(h.Sum(nil))>>11)/(1<<53) < attackedShare
}

func TestAttacksAndSubsetsEqualEvaluate(t *testing.T) {
	sc := attackedScene(t)
	attacked := 0
	for _, f := range sc.files {
		if attackedMedia(f) {
			attacked++
		}
	}
	if attacked < 30 || attacked > 74 { // of 104
		t.Fatalf("%d of %d media are attacked", attacked, len(sc.files))
	}
	sc.send()
	w := sc.s.start()
	sc.settled()
	w.stop()
	sc.check()
}

// Three workers, one of which is killed in the middle of its attacks, count what one worker counts.
func TestThreeWorkersAttackLikeOne(t *testing.T) {
	sc := attackedScene(t)
	sc.send()
	workers := []*worker{sc.s.start(), sc.s.start(), sc.s.start()}
	sc.s.await("a third of the detections", 3*time.Minute, func() bool { return sc.read() >= sc.total()/3 })
	workers[1].kill()
	sc.settled()
	workers[0].stop()
	workers[2].stop()
	sc.check()
}
