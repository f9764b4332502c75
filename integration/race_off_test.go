//go:build !race

package integration

// raced: the program under test is built as it is shipped.
const raced = false
