// Package loglimit keeps what happens often from flooding the log.
//
// What may be said of every record or every attempt has a [Limit] where it is
// written: the first line leaves at once, then one a minute at most, which says how
// many were left out since the one before it. Time comes in with each call.
package loglimit
