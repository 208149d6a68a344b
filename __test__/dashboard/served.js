'use strict';

const http = require('node:http');
const { createDashboard } = require('../../dashboard.js');

/** Serves a dashboard on a free port of loopback. */
async function serve(connections, options = { public: true }) {
  const dashboard = createDashboard(connections, options);
  const server = http.createServer(dashboard.handler);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  return {
    dashboard,
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      await dashboard.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

module.exports = { serve };
