// Encodes the fields of a form as jQuery.param does, for pages without jQuery.

/** Returns a=1&b[c]=2, percent-encoded, for { a: 1, b: { c: 2 } }. */
export function encode(fields) {
	const pairs = []
	const add = (name, value) => {
		if (value && typeof value === 'object') Object.keys(value).forEach((key) => add(name ? name + '[' + key + ']' : key, value[key]))
		else pairs.push(encodeURIComponent(name) + '=' + encodeURIComponent(value == null ? '' : value))
	}
	add('', fields)
	return pairs.join('&')
}
