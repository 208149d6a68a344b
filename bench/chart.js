'use strict';
function chart() {
  return '';
}
module.exports = { chart };
