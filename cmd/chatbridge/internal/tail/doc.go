// Package tail turns a topic into lines for people, and follows it.
//
// What is there already comes merged by record time over all partitions; what is
// new comes as it arrives. Within a partition, the order is always the topic's:
// what a reader sees of one group is what a consumer sees.
//
// Everything in a line was written by strangers. Characters that could command a
// terminal, or turn the direction of what follows, are taken out.
package tail
