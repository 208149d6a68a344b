'use strict';

/** The bus that a process of a fleet is on, and the route that its programs use. */
function open(hfxbus, { node, nodes, route }) {
  const { ConnectionManager, DISTRIBUTED_ROUTING } = hfxbus;
  return {
    connection: nodes ? ConnectionManager.nodes({ nodes }) : ConnectionManager.standalone(node),
    routed: route === undefined ? {} : { route: route === 'distributed' ? DISTRIBUTED_ROUTING : route },
  };
}

module.exports = { open };
