package wordpress

// AjaxPath is the path of admin-ajax.php, which takes beats.
const AjaxPath = "/wp-admin/admin-ajax.php"
