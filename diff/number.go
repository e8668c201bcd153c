package diff

import (
	"slices"
	"strconv"
)

// decimal is a number as written, apart from its spelling: digits without zeros at either end, times a power of ten.
// Zero has no digits, no sign and no power.
type decimal struct {
	negative bool
	digits   []byte // from the first to the last that is not zero; a point may stand among them
	count    int    // how many digits these are
	mantissa uint64 // these digits, where they are at most 19
	power    int64  // of the last of these digits
	vast     []byte // the power instead, with its sign, where it has more than 18 digits
}

const (
	mantissaDigits = 19 // any such number fits uint64
	powerDigits    = 18 // any such number fits int64
)

var powersOfTen = func() (p [mantissaDigits + 1]uint64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

// parseShort reads the number at i if it is one as most are: no exponent, and so few digits that nothing can overflow.
// It agrees with parseDecimal; a negative position says to ask that.
func parseShort(b []byte, i int) (mantissa uint64, power int64, negative bool, end int) {
	if i < len(b) && b[i] == '-' {
		negative = true
		i++
	}
	digits := -i
	for i < len(b) && b[i]-'0' <= 9 {
		mantissa = mantissa*10 + uint64(b[i]-'0')
		i++
	}
	digits += i
	if i < len(b) && b[i] == '.' {
		i++
		power = int64(i)
		for i < len(b) && b[i]-'0' <= 9 {
			mantissa = mantissa*10 + uint64(b[i]-'0')
			i++
		}
		power -= int64(i)
		digits -= int(power)
	}
	if digits == 0 || digits > mantissaDigits || i < len(b) && b[i]|0x20 == 'e' {
		return 0, 0, false, -1
	}
	if mantissa == 0 {
		return 0, 0, false, i
	}
	for mantissa%10 == 0 {
		mantissa /= 10
		power++
	}
	return mantissa, power, negative, i
}

// parseDecimal reads the number at i and the position behind it. Nothing is rounded and, but for powers of more than 17
// digits, nothing allocated.
func parseDecimal(b []byte, i int) (decimal, int) {
	var d decimal
	if i < len(b) && b[i] == '-' {
		d.negative = true
		i++
	}
	var (
		first, last = -1, -1 // digits that are not zero
		start       = i
		point       = -1
		zeros       int // since the last digit that is not zero
	)
scan:
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '0':
			zeros++
		case '1' <= c && c <= '9':
			if first < 0 {
				first, zeros = i, 0
			}
			last = i
			d.count += zeros + 1
			if d.count <= mantissaDigits {
				d.mantissa = d.mantissa*powersOfTen[zeros+1] + uint64(c-'0')
			}
			zeros = 0
		case c == '.' && point < 0:
			point = i
		default:
			break scan
		}
	}
	digits := i - start
	if point >= 0 {
		digits--
	}
	if digits == 0 {
		return decimal{}, -1
	}
	if first < 0 {
		zeros = 0
	}
	d.power = int64(zeros)
	if point >= 0 {
		d.power -= int64(i - point - 1)
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i = d.scale(b, i+1); i < 0 {
			return decimal{}, -1
		}
	}
	if first < 0 {
		return decimal{}, i
	}
	d.digits = b[first : last+1]
	return d, i
}

// scale adds the exponent at i to the power.
func (d *decimal) scale(b []byte, i int) int {
	negative := false
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		negative = b[i] == '-'
		i++
	}
	start := i
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	exponent := trimZeros(b[start:i])
	if len(exponent) >= powerDigits {
		d.scaleVast(exponent, negative)
		return i
	}
	var e int64
	for _, c := range exponent {
		e = e*10 + int64(c-'0')
	}
	if negative {
		e = -e
	}
	d.power += e
	return i
}

// scaleVast adds an exponent of at least 18 digits on paper: no body is so long that the power it already has could
// change the exponent's sign.
func (d *decimal) scaleVast(exponent []byte, negative bool) {
	sum := append([]byte{'0'}, exponent...)
	step, by := int64(1), d.power
	if by < 0 {
		by = -by
	}
	if (d.power < 0) != negative {
		step = -1
	}
	var carry int64
	for i := len(sum) - 1; i >= 0 && (by != 0 || carry != 0); i-- {
		digit := int64(sum[i]-'0') + step*(by%10) + carry
		carry, by = 0, by/10
		if digit > 9 {
			digit, carry = digit-10, 1
		} else if digit < 0 {
			digit, carry = digit+10, -1
		}
		sum[i] = byte('0' + digit)
	}
	sum = trimZeros(sum)
	if len(sum) <= powerDigits {
		d.power, _ = strconv.ParseInt(string(sum), 10, 64)
		if negative {
			d.power = -d.power
		}
		return
	}
	if negative {
		sum = slices.Insert(sum, 0, '-')
	}
	d.power, d.vast = 0, sum
}

func trimZeros(digits []byte) []byte {
	for len(digits) > 0 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}

// short says whether mantissa and power are all there is.
func (d decimal) short() bool { return d.count <= mantissaDigits && d.vast == nil }

// append writes the one spelling of the number: digits, e, power.
func (d decimal) append(dst []byte) []byte {
	if d.count == 0 {
		return append(dst, '0')
	}
	if d.negative {
		dst = append(dst, '-')
	}
	for _, c := range d.digits {
		if c != '.' {
			dst = append(dst, c)
		}
	}
	dst = append(dst, 'e')
	if d.vast != nil {
		return append(dst, d.vast...)
	}
	return strconv.AppendInt(dst, d.power, 10)
}
