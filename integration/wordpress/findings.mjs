// Makes what is written in other files from server/finding/findings.json: the findings that the
// plugin's code or heartbeatd's status names, as PHP that can be translated, and the list in docs/findings.md.
//
//	node integration/wordpress/findings.mjs
//
// A test compares the files.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { deployments } from './deployments.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const admin = `${root}integration/wordpress/heartbeatd/includes/admin/`
const parts = `${root}broker/problem/problem.go` // what heartbeatd's status names
const all = JSON.parse(readFileSync(`${root}server/finding/findings.json`, 'utf8'))

const quote = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`
const translated = (text) => `__( ${quote(text)}, 'heartbeatd' )`

// entriesOf returns the lines of an array, with the arrows below each other.
function entriesOf(array, indent) {
	const width = Math.max(...Object.keys(array).map((key) => key.length))
	return Object.entries(array).map(([key, value]) => `${indent}${quote(key)}${' '.repeat(width - key.length)} => ${value},\n`).join('')
}

function inPHP({ name, severity, text, meaning, fix, fixes }) {
	const entries = { severity: quote(severity), text: translated(text), meaning: translated(meaning), fix: translated(fix) }
	if (fixes) {
		// HAProxy does not name itself, so the plugin does not see it.
		const ways = Object.fromEntries(Object.entries(fixes).filter(([server]) => server !== 'haproxy').map(([server, way]) => [server, translated(way)]))
		entries.fixes = `array(\n${entriesOf(ways, '\t\t\t\t')}\t\t\t)`
	}
	return `\t\t${quote(name)} => array(\n${entriesOf(entries, '\t\t\t')}\t\t),\n`
}

function madePHP() {
	const files = readdirSync(admin).filter((name) => name !== 'findings.php').map((name) => admin + name)
	const code = [...files, parts].map((file) => readFileSync(file, 'utf8')).join('\n')
	return `<?php
/**
 * What can be wrong with heartbeatd for this site. integration/wordpress/findings.mjs has written
 * this file from server/finding/findings.json.
 *
 * @package heartbeatd
 */

defined( 'ABSPATH' ) || exit;

/**
 * Returns what can be wrong. Backticks in the texts enclose code.
 *
 * @return array<string, array> By name: severity, text, meaning, fix and, by web server, fixes.
 */
function heartbeatd_findings() {
	return array(
${all.filter(({ name }) => code.match(`['"]${name}['"]`)).map(inPHP).join('')}	);
}
`
}

const TRIED = '## Deployments that were tried\n'
const SERVERS = { nginx: 'nginx', apache: 'Apache', caddy: 'Caddy', lighttpd: 'lighttpd', varnish: 'Varnish', haproxy: 'HAProxy' }
const shown = (text) => text.replaceAll('{path}', '/heartbeat/').replaceAll('{api}', 'http://127.0.0.1:8081')

function madeDocs() {
	const rows = Object.entries(deployments).map(([what, { finding, inPHP }]) => `| ${what} | [${finding}](#${finding}) | ${inPHP ? 'not seen' : finding} |\n`)
	const list = all.map(({ name, severity, text, meaning, fix, fixes = {} }) => {
		const ways = Object.entries(fixes).map(([server, way]) => `- ${SERVERS[server]}: ${way}\n`).join('')
		return shown(`\n### ${name}\n\n${severity}: ${text} ${meaning}\n\n${fix}\n${ways && `\n${ways}`}`)
	})
	const intro = readFileSync(`${root}docs/findings.md`, 'utf8').split(TRIED)[0]
	return `${intro}${TRIED}
\`integration/wordpress/findings.test.mjs\` breaks one site, with nginx, in one way after the other. Settings → Heartbeatd, Site
Health and \`wp heartbeatd status\` name the same finding, and no other. The doctor
names it, too, unless only PHP can see it.

| what is wrong | the plugin | the doctor |
|---|---|---|
${rows.join('')}
## All findings
${list.join('')}`
}

// made has what the files should contain.
export const made = { [`${admin}findings.php`]: madePHP, [`${root}docs/findings.md`]: madeDocs }

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	for (const [file, make] of Object.entries(made)) writeFileSync(file, make())
}
