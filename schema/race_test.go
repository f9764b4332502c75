//go:build race

package schema

// slack is how much more memory the bounds of the tests allow: the race
// detector makes the decoder's pool forget at random.
const slack = 2
