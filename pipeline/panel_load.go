package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"shaketable/perturb"
)

// PanelFile is one file that is to be in a panel.
type PanelFile struct {
	Path string
	Fake *bool // nil without a label
}

// Panel is a set of pictures that is judged again and again. It keeps paths and digests, not the pictures: a file that is
// changed later is noticed, and left out of the runs from then on.
type Panel struct {
	// ID is the SHA-256 of the digests of the files, in order of digest: neither names nor labels are part of it.
	ID       string
	pictures []panelPicture // by digest
	maxBytes int64
}

type panelPicture struct {
	PanelFile
	digest string // of the file, hex
}

// name is that of the picture in runs, and the seed of its noise.
func (p panelPicture) name() string { return p.digest[:16] }

// Len is the number of pictures.
func (p *Panel) Len() int { return len(p.pictures) }

// LoadPanel reads every file and decodes it once, as the input of one detector. It returns a panel of the usable ones, and
// one error for each of the others: unreadable, undecodable, or the same bytes as another file. The last error is that of a
// panel that can't be used at all, or of ctx.
func LoadPanel(ctx context.Context, files []PanelFile, maxBytes int64, in perturb.Input,
	prepare func(ctx context.Context, data []byte, d *Detection, in perturb.Input) (Image, error)) (*Panel, []error, error) {
	if len(files) > MaxPanel {
		return nil, nil, fmt.Errorf("panel: there are %d pictures, a panel holds at most %d: choose about 200 that look like your traffic", len(files), MaxPanel)
	}
	p := &Panel{maxBytes: maxBytes}
	var left []error
	seen := map[string]string{}
	for _, f := range files {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		picture := panelPicture{PanelFile: f}
		data, err := p.read(f.Path)
		if err == nil {
			_, err = prepare(ctx, data, &Detection{MediaID: f.Path}, in)
		}
		if err != nil {
			left = append(left, fmt.Errorf("panel: picture %s is left out: %w", f.Path, err))
			continue
		}
		picture.digest = digestOf(data)
		if twin, ok := seen[picture.digest]; ok {
			left = append(left, fmt.Errorf("panel: picture %s is left out: it holds the same bytes as %s", f.Path, twin))
			continue
		}
		seen[picture.digest] = f.Path
		p.pictures = append(p.pictures, picture)
	}
	if len(p.pictures) == 0 {
		return nil, left, fmt.Errorf("panel: none of %d pictures can be used", len(files))
	}
	slices.SortFunc(p.pictures, func(a, b panelPicture) int { return strings.Compare(a.digest, b.digest) })
	all := sha256.New()
	for _, picture := range p.pictures {
		io.WriteString(all, picture.digest)
	}
	p.ID = hex.EncodeToString(all.Sum(nil))
	return p, left, nil
}

// read returns a file that is not larger than a picture may be.
func (p *Panel) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, p.maxBytes+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > p.maxBytes {
		return nil, fmt.Errorf("it has more than %d bytes (prepare.max_bytes)", p.maxBytes)
	}
	return data, nil
}

// again reads a picture that has to be the one that was loaded.
func (p *Panel) again(picture panelPicture) ([]byte, error) {
	data, err := p.read(picture.Path)
	if err == nil && digestOf(data) != picture.digest {
		err = fmt.Errorf("%s was changed: start the worker again to take a new panel", picture.Path)
	}
	return data, err
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
