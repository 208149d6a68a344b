'use strict';

const { Actions } = require('./actions.js');
const { Bus } = require('./bus/bus.js');
const { fetchHandler } = require('./http/fetch-handler.js');
const { Live } = require('./http/live.js');
const { nodeHandler } = require('./http/node-handler.js');
const { Router } = require('./http/router.js');
const { dashboardOptions } = require('./options.js');
const { Pages } = require('./pages.js');
const { Poller } = require('./poller.js');

/**
 * Creates a dashboard. It connects to Redis when the first page is read.
 * @param {object | object[]} connections a ConnectionManager, an array of them, or an object with names for them
 * @param {object} given options, see `dashboard.d.ts`
 * @returns {{ handler: Function, fetch: Function, close: () => Promise<void> }}
 */
function createDashboard(connections, given) {
  const options = dashboardOptions(connections, given);
  const managers = new Map();
  const buses = options.buses.map((one) => {
    const bus = new Bus(one);
    managers.set(bus, one.manager);
    return bus;
  });
  const poller = new Poller(buses, options.interval);
  const pages = new Pages(poller, buses, options);
  const live = new Live(poller, pages);
  const actions = new Actions();
  const act = async (body, by) => {
    const bus = pages.busOf(new URLSearchParams({ bus: String(Number(body.bus ?? 0)) }));
    await poller.look();
    const done = await actions.run({ bus, manager: managers.get(bus) }, body, by);
    pages.forget();
    return done;
  };
  const router = new Router({ options, pages, live, act });
  const close = async () => {
    live.close();
    await poller.close();
    await Promise.all([...buses.map((bus) => bus.close()), actions.close()]);
  };
  return { handler: nodeHandler(router), fetch: fetchHandler(router), close };
}

module.exports = { createDashboard };
