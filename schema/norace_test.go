//go:build !race

package schema

// slack is how much more memory the bounds of the tests allow: none.
const slack = 1
