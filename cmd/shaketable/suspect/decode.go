package suspect

import (
	"bytes"
	"context"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// picture is a file under work. It is decoded once for each way to treat its orientation, and scaled often.
type picture struct {
	data      []byte
	preparers map[string]*pipeline.Preparer
	whole     map[string]pipeline.Image // by exif
}

// decode reads a picture and decodes it as the configuration does.
func (s *search) decode(ctx context.Context, i int) (*picture, error) {
	data, err := s.pictures[i].Read()
	if err != nil {
		return nil, err
	}
	p := &picture{data: data, preparers: s.preparers, whole: map[string]pipeline.Image{}}
	_, err = p.upright(ctx, s.base.Exif)
	return p, err
}

// upright returns the picture at its own size.
func (p *picture) upright(ctx context.Context, exif string) (pipeline.Image, error) {
	if img, ok := p.whole[exif]; ok {
		return img, nil
	}
	width, height, err := p.preparers[exif].Size(p.data)
	if err != nil {
		return pipeline.Image{}, err
	}
	in := perturb.Input{Width: width, Height: height, Resize: perturb.Resize{Method: "nearest", Fit: "stretch"}}
	img, err := p.preparers[exif].Prepare(ctx, p.data, nil, in)
	if err == nil {
		p.whole[exif] = img
	}
	return img, err
}

// scaled returns the picture that enters the network.
func (p *picture) scaled(ctx context.Context, g geometry) (pipeline.Image, error) {
	img, err := p.upright(ctx, g.exif)
	if err != nil {
		return img, err
	}
	return pipeline.Scale(img, perturb.Input{Width: g.width, Height: g.height, Resize: g.resize})
}

// run takes one path with the picture.
func (p *picture) run(ctx context.Context, at path, n Network) ([]Output, error) {
	img, err := p.scaled(ctx, at.geometry())
	if err != nil {
		return nil, err
	}
	return n.Run(ctx, Tensor(img, at.input))
}

// study finds out what a picture can tell.
func (p *picture) study(ctx context.Context, exif string) (f facts, err error) {
	img, err := p.upright(ctx, exif)
	if err != nil {
		return f, err
	}
	f = facts{width: img.Width, height: img.Height, grey: true}
	for i := 0; i < len(img.Pix) && f.grey; i += 3 {
		f.grey = img.Pix[i] == img.Pix[i+1] && img.Pix[i] == img.Pix[i+2]
	}
	if !bytes.Contains(p.data, []byte("Exif")) && !bytes.Contains(p.data, []byte("eXIf")) && !bytes.Contains(p.data, []byte("EXIF")) {
		return f, nil
	}
	other, err := p.upright(ctx, otherExif(exif))
	f.turned = err == nil && (other.Width != img.Width || !bytes.Equal(other.Pix, img.Pix))
	return f, nil
}
