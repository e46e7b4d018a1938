package ticket

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Time is a time in a claim, with a precision of milliseconds, which orders a ticket and a
// revocation of the same second. The precision of a jwt.NumericDate is jwt.TimePrecision, a
// setting of the whole process.
type Time struct{ time.Time }

// NewTime returns t in milliseconds.
func NewTime(t time.Time) *Time { return &Time{t.Truncate(time.Millisecond)} }

// maxSeconds is later than any plausible date, and small enough not to overflow.
const maxSeconds = 1e12

// MarshalJSON writes seconds since 1970, with three decimals.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads a number of seconds since 1970.
func (t *Time) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	if math.Abs(seconds) > maxSeconds {
		return fmt.Errorf("the time %g is out of range", seconds)
	}
	t.Time = time.UnixMilli(int64(math.Round(seconds * 1000)))
	return nil
}

// numericDate returns t for the JWT library, with its milliseconds, or nil for nil.
func (t *Time) numericDate() *jwt.NumericDate {
	if t == nil {
		return nil
	}
	return &jwt.NumericDate{Time: t.Time}
}
