// Package resequence restores the order of messages within their streams.
package resequence
