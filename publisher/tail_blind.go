//go:build chatbridge_no_tail_read

package publisher

// searchesTail is false in this build, which is for one test: without reading the
// tail, batches are doubled, and integration's TestChaosSeesWhatIsDoubled has to
// say so.
const searchesTail = false
