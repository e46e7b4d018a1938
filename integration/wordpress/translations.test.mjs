// The plugin's translations: complete, of the same form as the original texts, and shown by WordPress.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import gettext from 'gettext-parser'
import { connected, secret, withPlugin } from './plugin.mjs'
import { folder, locales, made, parse, textsOf } from './translations.mjs'

const read = (locale) => parse(readFileSync(`${folder}heartbeatd-${locale}.po`))

// formOf returns what a translation must have in common with the text: placeholders, code and HTML.
const formOf = (text) => text.match(/%(?:\d+\$)?[sd]|%%|`[^`]*`|\{\w+\}|<[^>]*>/g)?.sort() ?? []

for (const locale of locales) {
	test(`${locale}: every text is translated, with its placeholders, code and HTML`, () => {
		const texts = textsOf(read(locale))
		assert.ok(texts.length > 300)
		for (const { msgid, msgid_plural: plural, msgstr } of texts) {
			assert.equal(msgstr.length, plural ? 2 : 1, msgid)
			for (const translated of msgstr) {
				assert.ok(translated.trim(), `not translated: ${msgid}`)
				assert.deepEqual(formOf(translated), formOf(msgid), translated)
				assert.equal(/[.:]$/.exec(translated)?.[0], /[.:]$/.exec(msgid)?.[0], translated)
			}
		}
		execFileSync('msgfmt', ['--check-format', '--output-file=/dev/null', `${folder}heartbeatd-${locale}.po`])
	})

	test(`${locale}: the files are made from heartbeatd.pot and the .po file`, () => {
		const files = made(locale)
		const old = 'node integration/wordpress/translations.mjs'
		assert.deepEqual(readdirSync(folder).filter((name) => name.startsWith(`heartbeatd-${locale}`)).sort(), Object.keys(files).sort(), old)
		for (const [name, content] of Object.entries(files)) assert.ok(content.equals(readFileSync(folder + name)), `${name} is old: ${old}`)
	})
}

test('a WordPress in another language', { timeout: 300_000 }, async (t) => {
	await withPlugin(t, async ({ server, php, open }) => {
		const settings = '/wp-admin/options-general.php?page=heartbeatd'
		// WordPress accepts a language of which it has a file. This one has no text, so core's stay English.
		const speak = (locale) => {
			const pack = gettext.mo.compile({ charset: 'utf-8', headers: { language: locale }, translations: {} })
			php(`wp_mkdir_p(WP_LANG_DIR); return file_put_contents(WP_LANG_DIR . '/${locale}.mo', base64_decode('${pack.toString('base64')}'));`)
			assert.ok(php(`return update_option('WPLANG', '${locale}');`))
		}
		const translations = (locale) => new Map(textsOf(read(locale)).map(({ msgid, msgstr }) => [msgid, msgstr]))
		// The texts of the page that have a translation, and are not in that language.
		const untranslated = async (page, locale) => {
			const shown = await page.innerText('#wpbody-content')
			return [...translations(locale)].filter(([msgid, [translated]]) => msgid.length > 5 && msgid !== translated && !/[%`]/.test(msgid) && shown.includes(msgid)).map(([msgid]) => msgid)
		}

		for (const locale of locales) {
			await t.test(`${locale}: the settings screen, from PHP and scripts`, async () => {
				const text = (msgid, form = 0) => translations(locale).get(msgid)[form]
				speak(locale)
				php(`delete_option('heartbeatd'); return 1;`)
				const page = await open('admin', settings)
				assert.equal((await page.innerText('#heartbeatd-card h2')).trim(), text('heartbeatd is not set up yet.'))
				assert.deepEqual(await untranslated(page, locale), [])
				await page.locator('#heartbeatd-setup button').first().click()
				await page.getByRole('button', { name: text('Copied') }).waitFor()

				php(`update_option('heartbeatd', array('secret' => '${secret}', 'api' => '${server.admin}')); return 1;`)
				await page.goto(page.url())
				await connected(page)
				await page.getByText(text('This browser is connected over a WebSocket.')).waitFor()
				assert.deepEqual(await untranslated(page, locale), [])
				const online = (count) => page.waitForFunction((words) => document.querySelector('#wp-admin-bar-heartbeatd-online > .ab-item').innerText.includes(words), text('%s person online', count - 1).replace('%s', count), { timeout: 30_000 })
				await online(1) // A closed page leaves after ten seconds.
				const other = await open('editor', '/wp-admin/')
				await online(2)
				await other.close()

				await page.goto(page.url().replace('options-general.php?page=heartbeatd', 'plugins.php'))
				assert.equal(await page.innerText('tr[data-slug="heartbeatd"] .plugin-description p'), text(php(`return get_plugin_data(HEARTBEATD_PLUGIN_FILE, false, false)['Description'];`)))
				await page.close()
			})
		}
	}, { constants: null })
})
