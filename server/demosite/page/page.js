// The demo page: pings for presence as the Presence API's script does, and shows the answers.
(function ($) {
	'use strict';

	const IDLE_SECONDS = 30;
	const MAX_LOG = 200;
	const MAX_BEATS = 60;
	const settings = window.heartbeatSettings;
	const postsKnown = JSON.parse(document.getElementById('posts-known').textContent);
	const params = new URLSearchParams(location.search);
	const post = postsKnown.find(function (p) { return String(p.ID) === params.get('post'); });
	let beats = [];
	let sentAt = 0;
	let polled = null; // who is online by the last tick, while there is no link

	// Any user who may edit posts can write any data, for example an object without a toString().
	function text(value) {
		return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
	}

	// Sends the user's screen and post. A hidden tab does not ping.
	$(document).on('heartbeat-send', function (event, data) {
		sentAt = performance.now();
		if (document.visibilityState !== 'hidden') {
			data['presence-ping'] = { screen: settings.screenId };
			if (post) data['presence-editor-ping'] = { post_id: post.ID };
		}
		log('heartbeat-send', data);
	});

	$(document).on('heartbeat-tick', function (event, data) {
		beats.push(performance.now() - sentAt);
		beats = beats.slice(-MAX_BEATS);
		plot();
		// Without a link only ticks say who is online.
		polled = wp.heartbeat.transport.name === 'post' ? (data['presence-online'] || []).map(asEntry) : null;
		drawOnline();
		log('heartbeat-tick', data);
	});

	['error', 'connection-lost', 'connection-restored', 'nonces-expired'].forEach(function (name) {
		$(document).on('heartbeat-' + name, function (event, first) {
			log('heartbeat-' + name, first && first.status !== undefined ? { status: first.status } : first);
		});
	});

	$(document).on('heartbeat-presence', function (event, news) {
		log('heartbeat-presence', news);
	});

	$(document).on('heartbeat-transport', function (event, name) {
		$('#transport').text(name);
		if (name !== 'post') polled = null;
		log('heartbeat-transport', name);
	});

	// Shows presence, events and the latency.
	const online = wp.heartbeat.room('admin/online');
	const edited = postsKnown.map(function (p) {
		return { post: p, room: wp.heartbeat.room('postType/' + p.Type + ':' + p.ID) };
	});

	function asEntry(person) {
		return { user_id: person.user_id, display_name: text(person.display_name), avatar_url: text(person.avatar_url), date_gmt: text(person.date_gmt), idle: person.idle, data: person };
	}

	function drawOnline() {
		const rows = (polled || online.entries).sort(byName).map(function (entry) {
			const idle = isIdle(entry);
			return $('<li>', { 'data-user-id': entry.user_id }).toggleClass('idle', idle).append(
				avatar(entry),
				$('<span>').append($('<b>').text(entry.display_name), '<br>', $('<small>').text(text(entry.data.screen_label) || text(entry.data.screen))),
				$('<span>', { 'class': 'dot', role: 'img', 'aria-label': idle ? 'idle' : 'active', title: idle ? 'idle' : 'active' })
			);
		});
		$('#online').empty().append(rows.length ? rows : $('<li>').text('Nobody yet.'));
	}

	function drawPosts() {
		const rows = edited.filter(function (e) { return e.room.entries.length; }).map(function (e) {
			return $('<li>', { 'data-post-id': e.post.ID }).append($('<b>').text(e.post.Title), e.room.entries.sort(byName).map(avatar));
		});
		$('#posts').empty().append(rows.length ? rows : $('<li>').text('Nobody edits a post.'));
	}

	function byName(a, b) {
		return a.display_name.localeCompare(b.display_name);
	}

	function avatar(entry) {
		return $('<img>', { src: entry.avatar_url, alt: entry.display_name, title: entry.display_name, width: 28, height: 28 });
	}

	// Uses what the user's page reports, otherwise the date.
	function isIdle(entry) {
		if (typeof entry.idle === 'boolean') return entry.idle;
		return Date.now() - Date.parse(entry.date_gmt.replace(' ', 'T') + 'Z') > IDLE_SECONDS * 1000;
	}

	function log(name, detail) {
		const row = $('<li>').append($('<time>').text(new Date().toTimeString().slice(0, 8)), $('<b>').text(name), document.createTextNode(JSON.stringify(detail) || ''));
		$('#log').prepend(row).children().slice(MAX_LOG).remove();
	}

	function plot() {
		const canvas = document.getElementById('latency');
		const g = canvas.getContext('2d');
		const top = Math.max.apply(null, beats.concat(10));
		const width = canvas.width / MAX_BEATS;
		g.clearRect(0, 0, canvas.width, canvas.height);
		g.fillStyle = '#2271b1';
		beats.forEach(function (ms, i) {
			const height = Math.max(2, ms / top * (canvas.height - 20));
			g.fillRect(i * width, canvas.height - height, width - 2, height);
		});
		g.fillStyle = '#646970';
		g.fillText(top.toFixed(1) + ' ms', 4, 12);
		$('#latency-text').text('last beat ' + beats[beats.length - 1].toFixed(1) + ' ms, median ' + median(beats).toFixed(1) + ' ms');
	}

	function median(list) {
		return list.slice().sort(function (a, b) { return a - b; })[Math.floor(list.length / 2)];
	}

	online.onChange(drawOnline);
	edited.forEach(function (e) { e.room.onChange(drawPosts); });
	setInterval(drawOnline, 5000); // users without a link become idle without a message
	drawOnline();
	drawPosts();
	$('#transport').text(wp.heartbeat.transport.name);

	$('#transport-switch').on('change', function () {
		wp.heartbeat.transport.use(this.value ? this.value.split(' ') : []);
	});
	$('#beat').on('click', function () { wp.heartbeat.connectNow(); });

	// Beat at once, and not one interval after the page has loaded.
	$(function () { wp.heartbeat.connectNow(); });
	document.addEventListener('visibilitychange', function () {
		if (document.visibilityState === 'visible') wp.heartbeat.connectNow();
	});
})(jQuery);
