// What WordPress prints into an admin page before heartbeat.js.
'use strict';
window.heartbeatSettings = JSON.parse(document.getElementById('settings').textContent);
window.ajaxurl = window.heartbeatSettings.ajaxurl;
window.pagenow = window.heartbeatSettings.screenId;
