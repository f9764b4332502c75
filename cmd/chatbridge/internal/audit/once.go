package audit

import (
	"context"
	"fmt"
)

// judgeOnce reads the entries by id: all that is known of one message comes in
// one row, first the ledger's lines, then the records.
func (a *Audit) judgeOnce(ctx context.Context) error {
	m := message{Audit: a}
	seen := 0
	for e, err := range a.byID.sorted() {
		if err != nil {
			return err
		}
		if seen++; seen%65536 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if e[0] != m.id[0] || e[1] != m.id[1] || !m.begun {
			if err := m.judge(); err != nil {
				return err
			}
			m = message{Audit: a, begun: true, id: [2]uint64{e[0], e[1]}}
		}
		if err := m.add(e); err != nil {
			return err
		}
	}
	a.byID.close()
	return m.judge()
}

// A message is what ledger and topic know of one id.
type message struct {
	*Audit
	begun   bool
	id      [2]uint64
	stream  streamKey
	number  uint64
	stored  bool  // a ledger line says OK
	unknown bool  // a ledger line says anything else
	line    place // the first ledger line that says OK
	records uint64
	first   place // the first record
}

func (m *message) add(e entry) error {
	kind, at := e[3]>>kindShift, place(e[2])
	m.stream, m.number = streamKey{e[4], e[5]}, e[3]&maxNumber
	switch kind {
	case idStored:
		if !m.stored {
			m.line = at
		}
		m.stored = true
		return nil
	case idUnknown:
		m.unknown = true
		return nil
	}
	m.records++
	if m.records == 1 {
		m.first = at
		return nil
	}
	m.found.add(Doubled, 1, recordExample(at, m.number,
		fmt.Sprintf("it is at partition %d offset %d already", m.first.partition(), m.first.offset())))
	// Each of them is told that it has a twin; the order then does not mind.
	if m.records == 2 {
		if err := m.byPlace.add(twinByPlace(m.stream, m.first, 0)); err != nil {
			return err
		}
	}
	return m.byPlace.add(twinByPlace(m.stream, at, m.records-1))
}

// judge compares ledger and topic when everything of the id is there, and hands
// on what the holes need to know.
func (m *message) judge() error {
	if !m.begun {
		return nil
	}
	there := m.records > 0
	if there {
		m.count.messages++
	}
	if m.opt.Ledger == "" {
		return nil
	}
	switch {
	case m.stored && !there:
		m.count.ledger.Stored++
		m.found.add(Lost, 1, Example{Partition: -1, Offset: -1, Seq: m.number, at: m.line})
		return m.note(numberLost)
	case m.stored:
		m.count.ledger.Stored++
		return nil
	case m.unknown && there:
		m.count.ledger.Arrived++
		return nil
	case m.unknown:
		return m.note(numberUnanswered)
	default:
		return m.byNumber.add(entryByNumber(m.stream, m.number, numberStray, 0, uint64(m.first)))
	}
}

// note tells the holes what became of a number.
func (m *message) note(kind uint64) error {
	if m.number == 0 {
		return nil
	}
	return m.byNumber.add(entryByNumber(m.stream, m.number, kind, 0, 0))
}
