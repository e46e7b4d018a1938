// A copy of this machine in which a test may install packages: an overlay over the root file
// system, kept in memory, with its own systemd, processes and network. It needs root, with the right to
// mount and to make namespaces: in a container that of --privileged. The kernel ends it with the test.
//
//	const machine = await startMachine(t)
//	machine.run('dpkg', '--install', '/root/heartbeatd.deb')
//	machine.changes()   // which files differ from those of this machine

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename } from 'node:path'
import { until } from '../browser/harness.mjs'

// The first process, in namespaces of its own. It can change no settings of the kernel, and no
// devices. $0 is a folder, $1 the name of a control group.
const SETUP = `
mount -t tmpfs tmpfs "$0"
cd "$0"
mkdir changes work root groups
mount -t overlay overlay -o lowerdir=/,upperdir=changes,workdir=work root
mount -t cgroup2 cgroup2 groups
mkdir "groups/$1"
echo 0 >"groups/$1/cgroup.procs"
umount groups
exec unshare --cgroup sh -ec '
	mount -t proc proc root/proc
	mount -o bind,ro root/proc/sys root/proc/sys
	mount -t sysfs -o ro sysfs root/sys
	mount -t cgroup2 cgroup2 root/sys/fs/cgroup
	for folder in dev run tmp; do mount -t tmpfs tmpfs root/$folder; done
	for device in null zero full random urandom tty; do
		touch root/dev/$device
		mount --bind /dev/$device root/dev/$device
	done
	ln -s /proc/self/fd root/dev/fd
	mkdir root/dev/pts root/dev/shm
	mount -t devpts -o newinstance,ptmxmode=0666 devpts root/dev/pts
	ln -s pts/ptmx root/dev/ptmx
	mount --bind changes root/media
	ip link set lo up
	cd root
	pivot_root . mnt
	umount --lazy mnt
	exec env -i container=other PATH="$PATH" chroot . /lib/systemd/systemd --unit=sysinit.target'
`

const REMOVE_GROUPS = `
mount -t cgroup2 cgroup2 "$0"
find "$0/$1" -depth -type d -exec rmdir {} +
`

// LIMIT is how long a command may take, in milliseconds.
const LIMIT = 120_000

// startMachine makes a copy, which ends with the test.
export async function startMachine(t) {
	const folder = mkdtempSync(`${tmpdir()}/heartbeatd-machine-`)
	const name = basename(folder)
	const outer = spawn('setpriv', ['--pdeathsig=KILL', '--', 'unshare', '--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--kill-child', 'sh', '-ec', SETUP, folder, name], { stdio: ['ignore', 'ignore', 'pipe'] })
	let printed = ''
	outer.stderr.on('data', (data) => (printed += data))
	const ended = new Promise((done) => outer.once('exit', done))
	const runs = () => outer.exitCode === null && outer.signalCode === null
	const first = () => readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, 'utf8').trim()
	t.after(async () => {
		if (runs()) process.kill(Number(first()) || outer.pid, 'SIGKILL')
		await ended
		spawnSync('unshare', ['--mount', 'sh', '-ec', REMOVE_GROUPS, folder, name])
		rmSync(folder, { recursive: true })
	})
	// run returns what a command prints. It gets the input.
	function run(...command) {
		const { input } = typeof command[0] === 'object' ? command.shift() : {}
		const args = ['--target', first(), '--all', '--root', '--wd', '--', ...command]
		const env = { PATH: process.env.PATH, HOME: '/root', LANG: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' }
		const { status, stdout, stderr, error } = spawnSync('nsenter', args, { input, env, encoding: 'utf8', timeout: LIMIT, killSignal: 'SIGKILL' })
		if (error) throw new Error(`${command.join(' ')}: ${error.code === 'ETIMEDOUT' ? `not within ${LIMIT / 1000} s` : error}:\n${stdout}${stderr}`)
		if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
		return stdout
	}

	let why
	await until('systemd', () => {
		if (!runs()) throw new Error('a copy of this machine needs root, with the right to mount and to make namespaces')
		try {
			return run('systemctl', 'is-active', 'sysinit.target')
		} catch (error) {
			why = error
			return false
		}
	}, 60).catch((error) => {
		throw new Error(`${error.message}\n${printed}`, { cause: why })
	})
	return {
		run,
		// put writes a file.
		put: (file, content) => run({ input: content }, 'sh', '-c', 'cat >"$0"', file),
		// changes returns the names of files, links and removed files, sorted.
		changes: () => run('find', '/media', '!', '-type', 'd', '-printf', '/%P\n').split('\n').filter(Boolean).sort(),
	}
}
