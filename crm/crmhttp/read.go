package crmhttp

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// maxFailureBody is how much is read of an answer that is not a 2xx.
	maxFailureBody = 64 << 10
	// maxGrow is how much memory is taken on the word of a Content-Length.
	maxGrow = 1 << 20
)

// bodyError is the error of an answer that came but cannot be used.
type bodyError struct{ text string }

func (e *bodyError) Error() string { return e.text }

// read returns the whole body, decompressed. Of an answer that is not a 2xx it
// returns what it got, however much.
func (s *state) read(answer *http.Response) ([]byte, error) {
	limit, whole := s.opts.MaxBody, answer.StatusCode >= 200 && answer.StatusCode <= 299
	if !whole {
		limit = min(limit, maxFailureBody)
	}
	var body io.Reader = answer.Body
	// The transport has done this already, unless it was told not to.
	switch encoding := answer.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(body)
		if errors.Is(err, io.EOF) { // no body at all, as with 204
			return nil, nil
		}
		if err != nil {
			return nil, &bodyError{"the answer's compression is broken"}
		}
		body = unzipped
	default:
		return nil, &bodyError{fmt.Sprintf("the answer is compressed in an unknown way (%q)", encoding)}
	}
	var buf bytes.Buffer
	if n := answer.ContentLength; n > 0 {
		buf.Grow(int(min(n, limit, maxGrow)) + bytes.MinRead)
	}
	// One byte more than allowed tells a full answer from a longer one.
	n, err := buf.ReadFrom(io.LimitReader(body, limit+1))
	if n > limit {
		buf.Truncate(int(limit))
		err = &bodyError{fmt.Sprintf("the answer is larger than %d bytes", limit)}
	}
	if err != nil && whole {
		if isGzip(err) {
			err = &bodyError{"the answer's compression is broken"}
		}
		return nil, err
	}
	return buf.Bytes(), nil
}

// isGzip reports whether err is of the decompression, not of the connection.
func isGzip(err error) bool {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return true
	}
	return strings.HasPrefix(fmt.Sprintf("%T", err), "flate.")
}
