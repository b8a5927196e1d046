// Package media makes pictures whose truth is known, so that the demo needs no data set: photographs that went through a
// model of a camera, and fakes that went through a model of a generator.
//
//	scene ─┬─► lens blur ─► Bayer RGGB ─► sensor noise ─► demosaicking ─► gamma ─► 8 bit     real
//	       └─► 16x16 ─► x2 ─► x2 ─► x2, each with its up-sampling trace ─► gamma ─► 8 bit    fake
//
// Both draw their scenes from one distribution, so nothing but the traces of the two ways tells them apart. A picture is
// a pure function of (seed, index, fake).
package media
