//go:build race

package integration

// raced: the program under test is built with the race detector, as the tests are.
const raced = true
