//go:build !chatbridge_no_tail_read

package publisher

// searchesTail: after every attempt that may have appended, the partition's tail
// is read. There is no build of the program without it, but the one by which
// integration's tests show that they would notice (tail_blind.go).
const searchesTail = true
