// Package simulate is a Tencent Cloud Chat that one can start: it invents group
// messages, numbers them and posts their callbacks, as disorderly as the real
// one, to see a bridge work and to prove what it does.
//
// # What is simulated
//
// Groups (some of them communities with topics) whose messages get MsgSeq 1, 2,
// 3 …, in the order in which they are made; bodies of the shapes and sizes that
// were captured in the wild; a signature with a fresh RequestTime; keep-alive
// connections; 2 s of patience and no second try ([Options.Retries] changes it).
//
//   - drop: a number is taken and no callback is ever sent, as for a join tip.
//     The topic has a hole there for ever.
//   - disorder: a callback is sent after at least one later number of its stream.
//   - duplicate: a callback is sent a second time a little later, with another
//     EventTime and another order of members, as after a time-out.
//
// # Reproducible
//
// The seed determines groups, bodies (but for their times), numbers, what is
// dropped, delayed and doubled, and the order in which callbacks are begun. Time
// enters that order only as the slot of a callback: slot i is due i/rate seconds
// after the start, and with rate 0 slots are just taken one after the other. What
// the network and several connections do to the order comes on top.
//
// # Latency without coordinated omission
//
// With a rate, a callback's latency runs from the time at which its slot was due,
// also where no connection was free then: a bridge that stalls cannot hide the
// callbacks that it kept from being sent. With rate 0 (a closed loop: each
// connection sends its next callback when the last one is answered) it runs from
// the sending.
package simulate
