package report

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
)

// mostMoved is how many pictures are listed for a detector, thumbnailBytes how much all thumbnails may take together.
const (
	mostMoved      = 8
	thumbnailBytes = 512 << 10
)

// movedPicture is one that natural perturbations moved far.
type movedPicture struct {
	Name, Label string
	Clean       float64
	Mean        float64 // of |p'-p| over the natural perturbations
	Worst       string  // the perturbation that moved it most
	After       float64 // its probability then
	Turned      int     // perturbations that turn the verdict
	Of          int
	Thumbnail   template.URL
}

// movedPictures are those of one detector, the most moved first.
type movedPictures struct {
	Title    string
	Series   int
	Pictures []movedPicture
}

// moved lists the most moved pictures of every detector. It also says how many thumbnails were left out for their size.
func (s *sheet) mostMoved() (lists []movedPictures, omitted int, err error) {
	made := map[int]template.URL{}
	room := thumbnailBytes
	for i := range s.subjects {
		d := &s.subjects[i]
		if d.natural == 0 {
			continue
		}
		order := slices.Clone(d.used)
		distance := map[int]float64{}
		for _, m := range order {
			distance[m] = mean(d.naturals(), m, d.distance)
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(distance[b], distance[a]) })
		one := movedPictures{Title: d.title(), Series: d.Index}
		for _, m := range order[:min(mostMoved, len(order))] {
			p := movedPicture{Name: s.Media[m].Name, Label: s.Media[m].Label(), Clean: d.Probs[m][0], Mean: distance[m], Of: d.natural}
			_, at, name := largest(d.naturals(), m, d.distance)
			p.Worst, p.After = fmt.Sprintf("%s of severity %d (%s)", words(name), at.Severity, at.Parameter), d.Probs[m][at.row]
			for _, f := range d.naturals() {
				for _, l := range f.Levels {
					if v := d.turned(m, l.row); !math.IsNaN(v) {
						p.Turned += int(v)
					}
				}
			}
			if p.Thumbnail, err = s.thumbnail(m, made, &room); err != nil {
				return nil, 0, err
			}
			if s.Thumbnail != nil && p.Thumbnail == "" {
				omitted++
			}
			one.Pictures = append(one.Pictures, p)
		}
		lists = append(lists, one)
	}
	return lists, omitted, nil
}

// thumbnail is a data URI, made once per medium while there is room.
func (s *sheet) thumbnail(m int, made map[int]template.URL, room *int) (template.URL, error) {
	if s.Thumbnail == nil {
		return "", nil
	}
	if uri, ok := made[m]; ok {
		return uri, nil
	}
	data, err := s.Thumbnail(m)
	if err != nil {
		return "", fmt.Errorf("report: thumbnail of %s: %w", s.Media[m].Name, err)
	}
	uri := template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(data))
	if len(uri) > *room {
		return "", nil
	}
	*room -= len(uri)
	made[m] = uri
	return uri, nil
}
