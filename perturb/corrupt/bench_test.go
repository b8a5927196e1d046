package corrupt

import "testing"

// Every family at its published severity 3 on a picture of 256 x 256, the usual size of a face.
func BenchmarkApply(b *testing.B) {
	in := scene(256, 256)
	for _, f := range Families() {
		b.Run(f.Name, func(b *testing.B) {
			for i := range b.N {
				if _, err := Apply(f.Name, f.Severities[2], in.pix, in.w, in.h, uint64(i)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
