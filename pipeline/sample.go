package pipeline

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
)

// Sampler chooses the media that are probed: in is a media id, out is yes or no.
//
// Invariant: the choice is a function of (key, media id, rate) alone, so a replay, every detector version and every worker
// choose the same media, and nobody without the key can tell which. A higher rate keeps what a lower one had chosen.
type Sampler struct {
	key []byte
}

// NewSampler returns a sampler with a secret key of at least 16 bytes (the configuration checks that).
func NewSampler(key []byte) *Sampler { return &Sampler{key: append([]byte(nil), key...)} }

// Sample says whether the media is probed at a rate in [0,1].
func (s *Sampler) Sample(mediaID string, rate float64) bool { return s.draw("sample", mediaID, rate) }

// SampleAttack says whether a probed media is attacked as well, at a rate in [0,1]: a choice of its own, so that it is that
// share of the probed media, whatever share of all media those are.
func (s *Sampler) SampleAttack(mediaID string, rate float64) bool {
	return s.draw("attack", mediaID, rate)
}

// Place and AttackPlace return where the two choices put a media, in [0,1): it is chosen at every rate above that.
func (s *Sampler) Place(mediaID string) float64 { return s.place("sample", mediaID) }

// AttackPlace is Place for [Sampler.SampleAttack].
func (s *Sampler) AttackPlace(mediaID string) float64 { return s.place("attack", mediaID) }

func (s *Sampler) draw(purpose, mediaID string, rate float64) bool {
	switch {
	case rate >= 1:
		return true
	case !(rate > 0): // also NaN
		return false
	}
	return s.place(purpose, mediaID) < rate
}

// place takes 53 bits: the most that a float64 holds exactly, so the comparison has no rounding of its own.
func (s *Sampler) place(purpose, mediaID string) float64 {
	return math.Ldexp(float64(binary.BigEndian.Uint64(s.mac(purpose, mediaID))>>11), -53)
}

// KeyID names the key without telling anything about it: the first 8 hex digits of a keyed hash of a fixed text. Two keys
// have the same one by chance in 1 of 4 billion cases.
func (s *Sampler) KeyID() string { return hex.EncodeToString(s.mac("key", "shaketable")[:4]) }

// Hide returns the keyed hash under which a media id may be stored or logged: 16 bytes in hex.
func (s *Sampler) Hide(mediaID string) string { return hex.EncodeToString(s.mac("id", mediaID)[:16]) }

// mac separates the purposes, so that a published hash tells nothing about the sample.
func (s *Sampler) mac(purpose, mediaID string) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(mediaID))
	return h.Sum(nil)
}
