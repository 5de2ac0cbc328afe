// Package oracle asks the real gobreaker what a trace of operations leads to.
//
// It reads traces from standard input, one JSON object a line, and writes one line for each: what was
// observed after every operation. The format is described in ../README.md.
package oracle

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
)

type trace struct {
	Once     bool
	Settings settings
	Ops      string
}

type settings struct {
	MaxRequests    uint32
	IntervalMs     int64
	BucketPeriodMs int64
	TimeoutMs      int64
	Trip           *trip
}

// trip is a rule for ReadyToTrip as data: so many failures in a row, or so many percent of at least so many
// requests.
type trip struct {
	Consecutive uint32
	Percent     uint32
	Least       uint32
}

func (t trip) ready(c gobreaker.Counts) bool {
	if t.Consecutive > 0 {
		return c.ConsecutiveFailures >= t.Consecutive
	}
	return c.Requests >= t.Least && c.TotalFailures*100 >= t.Percent*c.Requests
}

var (
	errFailed   = errors.New("failed")
	errExcluded = errors.New("excluded")
)

var outcomes = map[byte]error{'s': nil, 'f': errFailed, 'x': errExcluded}

// replay drives one breaker, from the outside only.
type replay struct {
	once        bool
	breaker     *gobreaker.TwoStepCircuitBreaker[any]
	calls       []func(error) // done of each Allow(); nil if rejected, or used and good only once
	transitions string
	counts      gobreaker.Counts
}

func newReplay(t trace) *replay {
	r := &replay{once: t.Once}
	s := gobreaker.Settings{
		MaxRequests:  t.Settings.MaxRequests,
		Interval:     time.Duration(t.Settings.IntervalMs) * time.Millisecond,
		BucketPeriod: time.Duration(t.Settings.BucketPeriodMs) * time.Millisecond,
		Timeout:      time.Duration(t.Settings.TimeoutMs) * time.Millisecond,
		IsExcluded:   func(err error) bool { return err == errExcluded },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			r.transitions += ">" + letter(from) + letter(to)
		},
	}
	if t.Settings.Trip != nil {
		s.ReadyToTrip = t.Settings.Trip.ready
	}
	r.breaker = gobreaker.NewTwoStepCircuitBreaker[any](s)
	return r
}

// observe does one operation and describes all that can be seen of it.
func (r *replay) observe(op string) string {
	r.transitions = ""
	seen := r.do(op) + r.transitions
	if counts := r.breaker.Counts(); counts != r.counts {
		r.counts = counts
		seen += fmt.Sprintf("=%d,%d,%d,%d,%d,%d", counts.Requests, counts.TotalSuccesses, counts.TotalFailures,
			counts.TotalExclusions, counts.ConsecutiveSuccesses, counts.ConsecutiveFailures)
	}
	return seen
}

func (r *replay) do(op string) string {
	switch op[0] {
	case 'a':
		return r.allow()
	case '?':
		return letter(r.breaker.State())
	case '+':
		time.Sleep(time.Duration(number(op[1:])) * time.Millisecond)
	default:
		last := len(op) - 1
		r.done(number(op[:last]), outcomes[op[last]])
	}
	return "."
}

func (r *replay) allow() string {
	done, err := r.breaker.Allow()
	r.calls = append(r.calls, done)
	switch err {
	case nil:
		return "a"
	case gobreaker.ErrOpenState:
		return "o"
	case gobreaker.ErrTooManyRequests:
		return "t"
	}
	panic(err)
}

func (r *replay) done(call int64, result error) {
	done := r.calls[call]
	if done == nil {
		return
	}
	done(result)
	if r.once {
		r.calls[call] = nil
	}
}

func letter(s gobreaker.State) string {
	return strings.ToUpper(s.String()[:1])
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func TestReplay(t *testing.T) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var tr trace
		if err := json.Unmarshal(in.Bytes(), &tr); err != nil {
			t.Fatal(err)
		}
		ops := strings.Fields(tr.Ops)
		seen := make([]string, len(ops))
		// Each trace in a bubble of its own: there time moves at once, and only when slept.
		synctest.Test(t, func(*testing.T) {
			r := newReplay(tr)
			for i, op := range ops {
				seen[i] = r.observe(op)
			}
		})
		fmt.Fprintln(out, strings.Join(seen, " "))
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
}
