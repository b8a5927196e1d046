// Package attack moves a picture against a detector, inside a budget, as far as it can.
//
//	spec.go, parse.go  one attack with its parameters, as a person writes it: "pgd(target=delta, eps=2/255)"
//	run.go             all attacks on one picture: clean pass, searches, scored forms ─► outcomes
//	 ├─ fgsm.go pgd.go nes.go   steps along the gradient, exact or estimated
//	 ├─ cw.go                   the smallest step over the threshold
//	 └─ square.go               random search, no gradient
//	forms.go           what is scored: the floats, the nearest 8-bit picture, its JPEG
//	masking.go         whether the gradient can be believed
//
// An attack that does not say otherwise has target self and eps 2/255:
//
//	fgsm                     one step                           norm linf | l2 (then eps .5)
//	pgd     steps 10         step max(.5/255, eps/4) | eps/5    norm linf | l2, start clean | random, keep best | last
//	cw      steps 50         c 1, searches 1, rate .001         l2, eps .5, variable tanh | clip, confidence 0
//	square  queries 200      p .8                               linf
//	nes     steps 10         pairs 20, sigma .001               linf, as pgd otherwise
//
// The arithmetic is plain Go on float32 planes in [0,1]; the detector is a [Model]. A search handles one picture and one
// direction at a time and draws from its own stream of random bits, so that a picture's figures depend on its seed and
// on nothing else. To fill a GPU, run many searches at once ([Setting].Concurrency) over a Model that collects its callers' passes.
//
// CW stops where the decision turns, so close to the clean picture that rounding to 8 bits mostly turns it back. Where it does,
// the forms uint8 and jpeg90 are tried again with the same change made longer, up to the budget (lengthen in cw.go).
//
// Losses go through the margin (the logit of the probability of fake) and never through the probability, whose gradient
// is exactly 0 where it saturates.
package attack
