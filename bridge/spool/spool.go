package spool

import (
	"context"
	"errors"
	"time"
)

// Position is the number of a record: 1, 2, 3 and so on, dense, never used
// again; 0 is none.
type Position uint64

// Record is a callback as it came. Query is the raw query string without its
// Sign; times are kept to the nanosecond, from 1678 to 2262.
type Record struct {
	ReceivedAt  time.Time
	Query, Body []byte
}

// Entry is a stored record. It must not be changed, and stays valid for as
// long as it is held; what is held keeps the whole group that it was stored
// with (up to 1 MiB) in memory.
type Entry struct {
	Position Position
	Record   Record
}

const (
	frameAlign    = 8
	formatVersion = 1
)

var errStub = errors.New("not built yet")

type Spool struct{}

func Open(Options) (*Spool, error)                                    { return nil, errStub }
func (*Spool) Append(ctx context.Context, r Record) (Position, error) { return 0, errStub }
func (*Spool) First() Position                                        { return 0 }
func (*Spool) End() Position                                          { return 0 }
func (*Spool) NewReader(from Position) *Reader                        { return nil }
func (*Spool) Release(before Position) error                          { return errStub }
func (*Spool) Stat() Stat                                             { return Stat{} }
func (*Spool) Err() error                                             { return errStub }
func (*Spool) Damage() error                                          { return nil }
func (*Spool) Close() error                                           { return errStub }
func (*Spool) Checkpoint() *Checkpoint                                { return nil }

type Reader struct{}

func (*Reader) Next(ctx context.Context, max int) ([]Entry, error) { return nil, errStub }
func (*Reader) TryNext(max int) ([]Entry, error)                   { return nil, errStub }
func (*Reader) Position() Position                                 { return 0 }
func (*Reader) Close() error                                       { return nil }

type Checkpoint struct{}

func (*Checkpoint) Load(fn func(entry []byte) error) error { return errStub }
func (*Checkpoint) Append(entry []byte) error              { return errStub }
func (*Checkpoint) Sync() error                            { return errStub }
func (*Checkpoint) Rewrite(write func(add func(entry []byte) error) error) error {
	return errStub
}
func (*Checkpoint) Size() int64 { return 0 }

func Inspect(dir string) (Stat, error)                           { return Stat{}, errStub }
func Walk(dir string, from Position, fn func(Entry) error) error { return errStub }
func Verify(dir string) (Report, error)                          { return Report{}, errStub }
func Repair(dir string) (RepairReport, error)                    { return RepairReport{}, errStub }
