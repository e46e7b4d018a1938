// Makes what WordPress reads of the plugin's translations: one .mo file of each language for PHP, and
// one .json file of each script. It adds the new texts of heartbeatd.pot to the .po files, and removes those
// that are gone.
//
//	node integration/wordpress/translations.mjs
//
// A new language begins with the command "msginit". A test compares the files.

import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import gettext from 'gettext-parser'

export const folder = fileURLToPath(new URL('heartbeatd/languages/', import.meta.url))

// locales are the languages of the .po files.
export const locales = readdirSync(folder).flatMap((name) => name.match(/^heartbeatd-(\w+)\.po$/)?.[1] ?? [])

export const parse = (po) => gettext.po.parse(po, { validation: true })

// textsOf returns all texts of a parsed file, in all contexts, without its header.
export const textsOf = ({ translations }) => Object.values(translations).flatMap((texts) => Object.values(texts)).filter(({ msgid }) => msgid)

function merged(locale) {
	const options = ['--quiet', '--no-fuzzy-matching', '--no-wrap', '--add-location=file']
	const po = execFileSync('msgmerge', [...options, `${folder}heartbeatd-${locale}.po`, `${folder}heartbeatd.pot`], { encoding: 'utf8' })
	return execFileSync('msgattrib', ['--no-obsolete', '--no-wrap', '--add-location=file'], { input: po, encoding: 'utf8' })
}

// forScript returns the texts of a script, in the form that wp.i18n reads.
function forScript(po, script) {
	const texts = textsOf(po).filter(({ comments }) => comments.reference.split(/\s+/).includes(script))
	const header = { domain: 'messages', lang: po.headers.Language, 'plural-forms': po.headers['Plural-Forms'] }
	const entries = texts.map(({ msgctxt, msgid, msgstr }) => [msgctxt ? `${msgctxt}\u0004${msgid}` : msgid, msgstr])
	return `${JSON.stringify({ domain: 'messages', locale_data: { messages: { '': header, ...Object.fromEntries(entries) } } }, null, '\t')}\n`
}

// made returns what the files of a language should contain, by their names. The handle of a script
// is its name after "heartbeatd-".
export function made(locale) {
	const text = merged(locale)
	const po = parse(text)
	const scripts = new Set(textsOf(po).flatMap(({ comments }) => comments.reference.match(/\bassets\/\S+\.js\b/g) ?? []))
	const json = Array.from(scripts, (script) => [`heartbeatd-${locale}-heartbeatd-${script.match(/([^/]+)\.js$/)[1]}.json`, Buffer.from(forScript(po, script))])
	return { [`heartbeatd-${locale}.po`]: Buffer.from(text), [`heartbeatd-${locale}.mo`]: gettext.mo.compile(po), ...Object.fromEntries(json) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	for (const locale of locales) {
		const files = made(locale)
		for (const name of readdirSync(folder).filter((name) => name.startsWith(`heartbeatd-${locale}`) && !(name in files))) rmSync(folder + name)
		for (const [name, content] of Object.entries(files)) writeFileSync(folder + name, content)
	}
}
