package ledger

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"
)

// maxLine bounds the memory that one line may take. Ours are below 1 KiB.
const maxLine = 1 << 20

// Read calls fn for each line of the ledger at path, in order, with the line's
// byte offset in the file. The line is valid only during the call. A last line
// without its newline was torn by a crash, or is being written, and is left out.
// Members that this version does not know are ignored.
func Read(path string, fn func(offset int64, l *Line) error) error {
	_, err := ReadOn(path, 0, fn)
	return err
}

// ReadOn is Read from the line that begins at an offset. It returns where the
// next line will begin: where to read on when the ledger has grown.
func ReadOn(path string, from int64, fn func(offset int64, l *Line) error) (next int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return from, fmt.Errorf("opening the ledger: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return from, fmt.Errorf("reading the ledger %s at %d: %w", path, from, err)
	}
	return readFrom(f, path, from, fn)
}

func readFrom(r io.Reader, path string, from int64, fn func(offset int64, l *Line) error) (next int64, err error) {
	in := bufio.NewReaderSize(r, maxLine)
	next = from
	for number := 1; ; number++ {
		raw, err := in.ReadSlice('\n')
		where := func() string {
			if from > 0 {
				return fmt.Sprintf("%s at byte %d", path, next)
			}
			return fmt.Sprintf("%s:%d", path, number)
		}
		switch {
		case errors.Is(err, io.EOF):
			return next, nil
		case errors.Is(err, bufio.ErrBufferFull):
			return next, fmt.Errorf("%s: line longer than %d bytes; is this a ledger of chatbridge send?", where(), maxLine)
		case err != nil:
			return next, fmt.Errorf("reading the ledger %s: %w", path, err)
		}
		var l Line
		if err := json.Unmarshal(raw, &l); err != nil {
			return next, fmt.Errorf("%s: not a line of a ledger: %w", where(), err)
		}
		if l.Kind == "" {
			return next, fmt.Errorf("%s: a line without a kind; is this a ledger of chatbridge send?", where())
		}
		if err := fn(next, &l); err != nil {
			return next, err
		}
		next += int64(len(raw))
	}
}

// At returns the line that begins at a byte offset that [Read] gave.
func At(path string, offset int64) (Line, error) {
	var found Line
	_, err := ReadOn(path, offset, func(_ int64, l *Line) error {
		found = *l
		return io.EOF
	})
	if errors.Is(err, io.EOF) {
		return found, nil
	}
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return Line{}, fmt.Errorf("reading the ledger %s at %d: %w", path, offset, err)
}
