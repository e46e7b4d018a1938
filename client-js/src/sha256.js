// The SHA-256 of a short string. crypto.subtle is asynchronous, and missing on pages over plain
// HTTP.

const fraction = (x) => ((x - Math.floor(x)) * 0x100000000) | 0
const primes = []
for (let n = 2; primes.length < 64; n++) if (primes.every((prime) => n % prime)) primes.push(n)
const ROUND = primes.map((n) => fraction(Math.cbrt(n)))
const START = primes.slice(0, 8).map((n) => fraction(Math.sqrt(n)))

const rotate = (x, n) => (x >>> n) | (x << (32 - n))

export function sha256(text) {
	const words = pad(unescape(encodeURIComponent(text)))
	let state = START
	for (let at = 0; at < words.length; at += 16) state = block(state, words.slice(at, at + 16))
	return state.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

function pad(bytes) {
	const words = new Array(((bytes.length + 8) >> 6) * 16 + 16).fill(0)
	for (let i = 0; i < bytes.length; i++) words[i >> 2] |= bytes.charCodeAt(i) << (24 - (i % 4) * 8)
	words[bytes.length >> 2] |= 0x80 << (24 - (bytes.length % 4) * 8)
	words[words.length - 1] = bytes.length * 8
	return words
}

function block(state, w) {
	let [a, b, c, d, e, f, g, h] = state
	for (let i = 0; i < 64; i++) {
		if (i > 15) {
			const x = w[i - 15]
			const y = w[i - 2]
			const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3)
			const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10)
			w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0
		}
		const t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[i] + w[i]
		const t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
		;[h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0]
	}
	return [a, b, c, d, e, f, g, h].map((word, i) => (word + state[i]) | 0)
}
