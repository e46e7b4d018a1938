package presence

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

const (
	// MaxData is the maximum number of bytes of an entry's data, as in the Presence API.
	MaxData = 10240
	// MaxDepth is how deep objects and lists may be nested in JSON that pages and PHP read.
	MaxDepth = 16
	// MaxDataValues is the maximum number of values in an entry's data. PHP needs up to 400
	// bytes for each of them.
	MaxDataValues = 500
)

// CheckJSON reports why JSON that encoding/json accepts must not reach pages and PHP: it is
// nested too deep, has more than maxValues values, or PHP cannot decode or encode it, so
// that a list which contains it would be lost as a whole.
func CheckJSON(data []byte, maxValues int) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	depth, values := 0, 0
	for i := 0; i < len(data); {
		end := i + 1
		var err error
		switch c := data[i]; {
		case c == '{' || c == '[':
			depth++
			values++
		case c == '}' || c == ']':
			depth--
		case c == ',':
			values++
		case c == '"':
			end, err = checkString(data, i)
		case c == '-' || '0' <= c && c <= '9':
			end, err = checkNumber(data, i)
		}
		switch {
		case err != nil:
			return err
		case depth > MaxDepth:
			return fmt.Errorf("it is nested more than %d levels deep", MaxDepth)
		case values > maxValues:
			return fmt.Errorf("it has more than %d values", maxValues)
		}
		i = end
	}
	return nil
}

// checkString checks the string that begins at data[i], and returns where it ends. PHP has no
// half of a surrogate pair, and no object with a NUL character in a name.
func checkString(data []byte, i int) (end int, err error) {
	hasNUL := false
	for i++; i < len(data) && data[i] != '"'; i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		switch unit := escapedUnit(data, i-1); {
		case unit == 0:
			hasNUL = true
		case 0xDC00 <= unit && unit <= 0xDFFF:
			return i, errors.New("it has half of a UTF-16 surrogate pair")
		case 0xD800 <= unit && unit <= 0xDBFF:
			if low := escapedUnit(data, i+5); low < 0xDC00 || low > 0xDFFF {
				return i, errors.New("it has half of a UTF-16 surrogate pair")
			}
			i += len(`uXXXX\`)
		}
	}
	end = i + 1
	if !hasNUL {
		return end, nil
	}
	for i = end; i < len(data); i++ {
		switch data[i] {
		case ' ', '\t', '\r', '\n':
			continue
		case ':':
			return end, errors.New("it has a name with a NUL character, which PHP cannot read")
		}
		break
	}
	return end, nil
}

// escapedUnit returns the UTF-16 code unit of the escape \uXXXX at data[i], or -1 if there is
// no such escape.
func escapedUnit(data []byte, i int) int64 {
	const size = len(`\uXXXX`)
	if i+size > len(data) || data[i] != '\\' || data[i+1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(data[i+2:i+size]), 16, 16)
	if err != nil {
		return -1
	}
	return int64(unit)
}

// shortNumber is the number of digits up to which an integer is a finite float64.
const shortNumber = 300

// checkNumber checks the number that begins at data[i], and returns where it ends. PHP reads a
// number that is too large as infinite, and cannot encode it.
func checkNumber(data []byte, i int) (end int, err error) {
	exponent := false
	for end = i + 1; end < len(data); end++ {
		switch c := data[end]; {
		case c == 'e' || c == 'E':
			exponent = true
		case '0' <= c && c <= '9' || c == '.' || c == '+' || c == '-':
		default:
			return end, finite(data[i:end], exponent)
		}
	}
	return end, finite(data[i:end], exponent)
}

func finite(number []byte, exponent bool) error {
	if !exponent && len(number) <= shortNumber {
		return nil
	}
	if _, err := strconv.ParseFloat(string(number), 64); err != nil {
		return errors.New("it has a number that is too large")
	}
	return nil
}
