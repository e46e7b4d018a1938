// The files of a release, as `make package` builds them: the Debian package is installed, upgraded
// and removed on a copy of this machine, and the plugin's zip is uploaded to a live WordPress.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { before, test } from 'node:test'
import { root, startChromium, until } from '../browser/harness.mjs'
import { startMachine } from '../setup/machine.mjs'
import { withSite } from '../setup/use-site.mjs'
import { logIn } from '../wordpress/plugin.mjs'

const version = readFileSync(`${root}server/version/VERSION`, 'utf8').trim()
const dist = `${root}dist/`
const arch = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
const deb = `${dist}heartbeatd_${version}_${arch}.deb`
const checksums = () => readFileSync(`${dist}SHA256SUMS`, 'utf8')
// UPGRADE makes a package with a higher version.
const UPGRADE = `
dpkg-deb --raw-extract /root/first.deb /root/package
sed -i 's/^Version: .*/Version: 99.0/' /root/package/DEBIAN/control
dpkg-deb --build --root-owner-group -Znone /root/package /root/second.deb
`
const make = (umask, zone, goal = 'package') => execFileSync('sh', ['-c', `umask ${umask} && exec make -s ${goal}`], { cwd: root, env: { ...process.env, TZ: zone }, stdio: 'inherit', timeout: 900_000 })

let forHere // the checksums of what make deb builds

before(() => {
	make('022', 'UTC', 'deb')
	forHere = checksums()
	make('022', 'UTC')
})

test('there is a program for each system, with its SBOM, and a checksum of each file', () => {
	const programs = ['linux_amd64', 'linux_arm64', 'darwin_amd64', 'darwin_arm64', 'windows_amd64.exe'].map((system) => `heartbeatd_${version}_${system}`)
	const packages = ['amd64', 'arm64'].map((arch) => `heartbeatd_${version}_${arch}.deb`)
	const files = [...programs, ...programs.map((name) => `${name}.cdx.json`), ...packages, `heartbeatd-plugin_${version}.zip`, 'LICENSES.txt']
	assert.deepEqual(readdirSync(dist).sort(), [...files, 'SHA256SUMS'].sort())
	execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: dist })
	assert.equal(checksums().trim().split('\n').length, files.length)
	assert.match(execFileSync(`${dist}heartbeatd_${version}_linux_${arch}`, ['version'], { encoding: 'utf8' }), new RegExp(`^heartbeatd v${version} \\(`))
	for (const program of programs) {
		const { components, metadata } = JSON.parse(readFileSync(`${dist}${program}.cdx.json`, 'utf8'))
		assert.equal(metadata.component.version, `v${version}`)
		const names = components.map(({ name }) => name)
		for (const name of ['github.com/nats-io/nats-server/v2', 'std', 'jquery', 'uplot']) assert.ok(names.includes(name), `${program}: ${name}`)
	}
})

test('a second run makes the same files', () => {
	const first = checksums()
	make('077', 'Asia/Kathmandu')
	assert.equal(checksums(), first)
})

test('make deb makes the same program and zip for this machine, and its Debian package', () => {
	const lines = forHere.trim().split('\n')
	const names = [`heartbeatd_${version}_linux_${arch}`, `heartbeatd-plugin_${version}.zip`]
	for (const name of names) assert.ok(checksums().includes(lines.find((line) => line.endsWith(` ${name}`)) ?? `no ${name}`), name)
	assert.deepEqual(lines.filter((line) => line.endsWith('.deb')).map((line) => line.split(/\s+/)[1]), [deb.slice(dist.length)])
})

test('lintian finds no fault in the Debian package', () => {
	execFileSync('lintian', ['--fail-on', 'error,warning', deb], { stdio: 'inherit', timeout: 600_000 })
})

test('the Debian package', async (t) => {
	const machine = await startMachine(t)
	machine.run('rm', '-f', '/usr/sbin/policy-rc.d') // in containers it forbids the start of services
	machine.run('systemctl', 'mask', 'systemd-networkd-wait-online', 'NetworkManager-wait-online') // it has no network
	const read = (file) => machine.run('cat', file)
	const property = (name) => machine.run('systemctl', 'show', '--property', name, '--value', 'heartbeatd').trim()
	const push = () => machine.run('sh', '-ec', 'set -a; . /etc/heartbeatd.secret; heartbeatd push {} --all')
	execFileSync('go', ['build', '-o', `${root}.cache/test/pages`, './integration/package/pages'], { cwd: root, env: { ...process.env, CGO_ENABLED: '0' } })
	const before = machine.changes()
	machine.put('/root/pages', readFileSync(`${root}.cache/test/pages`))
	machine.run('chmod', '+x', '/root/pages')
	machine.put('/root/first.deb', readFileSync(deb))
	machine.run('sh', '-ec', UPGRADE)
	let secret

	await t.test('heartbeatd is ready when it is installed', () => {
		machine.run('dpkg', '--install', '/root/first.deb')
		secret = read('/etc/heartbeatd.secret')
		assert.match(secret, /^HEARTBEATD_SITE_SECRET=[0-9a-f]{64}\n$/)
		assert.equal(machine.run('stat', '--format', '%a %U', '/etc/heartbeatd.secret', '/etc/heartbeatd.env'), '600 root\n600 root\n')
		assert.equal(property('ActiveState'), 'active', machine.run('journalctl', '--unit', 'heartbeatd'))
		assert.equal(property('StatusText'), 'ready')
		push()
		assert.equal(machine.run('stat', '--format', '%U', `/proc/${property('MainPID')}`), 'heartbeatd\n')
		assert.equal(machine.run('systemctl', 'is-enabled', 'heartbeatd').trim(), 'enabled')
	})

	await t.test('without a secret it does not start, and the journal says what to do', () => {
		machine.run('mv', '/etc/heartbeatd.secret', '/root/secret')
		assert.throws(() => machine.run('systemctl', 'restart', 'heartbeatd'), /Job for heartbeatd.service failed/)
		assert.match(machine.run('journalctl', '--unit', 'heartbeatd'), /--site-secret is empty .* HEARTBEATD_SITE_SECRET/)
		machine.run('mv', '/root/secret', '/etc/heartbeatd.secret')
		machine.run('systemctl', 'reset-failed', 'heartbeatd')
		machine.run('systemctl', 'restart', 'heartbeatd')
		push()
	})

	await t.test('an upgrade under 500 connected pages restarts it, and keeps what the administrator has edited', async () => {
		const edited = `${read('/etc/heartbeatd.env')}HEARTBEATD_LOG_LEVEL=debug\n`
		machine.put('/etc/heartbeatd.env', edited)
		const pid = property('MainPID')
		const { refused, ...noticed } = await underPages(() => machine.run('dpkg', '--install', '/root/second.deb'))
		assert.notEqual(property('MainPID'), pid)
		assert.equal(read('/etc/heartbeatd.env'), edited)
		assert.equal(read('/etc/heartbeatd.secret'), secret)
		assert.deepEqual(noticed, { pages: 500, declined: 0, wrong: 0, ended: 0 }, `${refused} refused`)
		push()
	})

	await t.test('with the socket units, no connection is refused meanwhile', async () => {
		machine.run('systemctl', 'stop', 'heartbeatd')
		machine.run('systemctl', 'enable', '--now', 'heartbeatd-public.socket', 'heartbeatd-admin.socket')
		machine.run('systemctl', 'start', 'heartbeatd')
		const noticed = await underPages(() => machine.run('dpkg', '--install', '/root/second.deb'))
		assert.deepEqual(noticed, { pages: 500, refused: 0, declined: 0, wrong: 0, ended: 0 })
	})

	await t.test('a removed package keeps the configuration, and a purged one leaves nothing', () => {
		machine.run('dpkg', '--remove', 'heartbeatd')
		assert.equal(property('ActiveState'), 'inactive')
		assert.match(read('/etc/heartbeatd.env'), /debug/)
		machine.run('dpkg', '--purge', 'heartbeatd')
		assert.deepEqual(left(), [])
	})

	await t.test('without systemd, too', () => {
		machine.run('unshare', '--mount', 'sh', '-ec', 'mount -t tmpfs tmpfs /run; dpkg --install /root/first.deb')
		assert.equal(machine.run('systemctl', 'is-enabled', 'heartbeatd').trim(), 'enabled')
		assert.equal(property('ActiveState'), 'inactive')
		machine.run('unshare', '--mount', 'sh', '-ec', 'mount -t tmpfs tmpfs /run; dpkg --purge heartbeatd')
		assert.deepEqual(left(), [])
	})

	// underPages returns what 500 connected pages notice of what is done meanwhile.
	async function underPages(act) {
		const journal = () => machine.run('journalctl', '--unit', 'pages', '--output', 'cat')
		machine.run('journalctl', '--rotate', '--vacuum-time=1s')
		machine.run('systemd-run', '--quiet', '--unit=pages', '--property=LimitNOFILE=65536', '--property=TimeoutStopSec=90', `--setenv=${secret.trim()}`, '/root/pages', '500')
		await until('500 pages with a link', () => journal().includes('all pages have a link'), 60)
		act()
		machine.run('systemctl', 'stop', 'pages')
		const { longest, beats, posted, unlinked, late, ...noticed } = JSON.parse(journal().match(/^\{.*\}$/m)?.[0] ?? assert.fail(journal()))
		t.diagnostic(`${JSON.stringify(noticed)}; no page had no link for longer than ${longest.toFixed(1)} s; ${beats} beats, of which PHP answered ${posted}: ${unlinked} of pages without a link, ${late} without an answer within 2.5 s`)
		return noticed
	}

	// The user stays; dpkg and the journal keep records.
	function left() {
		return machine.changes().filter((name) => !before.includes(name) && !/^\/(root|var\/log|var\/lib\/dpkg)\/|^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd\.lock)-?$/.test(name))
	}
})

test('WordPress installs the zip that an administrator uploads, and replaces it with a later one', async (t) => {
	const browser = await startChromium(t)
	await withSite(async (site) => {
		const context = await logIn(browser, site, 'admin')
		const page = await context.newPage()
		const upload = async () => {
			await page.goto(`${site.url}/wp-admin/plugin-install.php?tab=upload`)
			await page.setInputFiles('#pluginzip', `${dist}heartbeatd-plugin_${version}.zip`)
			await Promise.all([page.waitForURL('**/update.php?action=upload-plugin'), page.click('#install-plugin-submit')])
		}
		const isActive = async () => {
			await page.goto(`${site.url}/wp-admin/plugins.php`)
			return page.locator('tr.active[data-plugin="heartbeatd/heartbeatd.php"]').filter({ hasText: `Version ${version}` }).isVisible()
		}
		try {
			await upload()
			await page.getByText('Plugin installed successfully.').waitFor()
			await page.getByRole('link', { name: 'Activate Plugin' }).click()
			assert.ok(await isActive())
			assert.equal(readFileSync(`${site.dir}/wp-content/plugins/heartbeatd/LICENSE`, 'utf8'), readFileSync(`${root}LICENSE`, 'utf8'))

			await upload()
			await page.getByText('This plugin is already installed.').waitFor()
			await page.locator('.update-from-upload-overwrite').click()
			await page.getByText('Plugin updated successfully.').waitFor()
			assert.ok(await isActive())
		} finally {
			await context.close() // nginx waits for its sockets
		}
	})
})
