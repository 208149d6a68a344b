import http from 'node:http';
import { ConnectionManager } from 'hfxbus';
import { createDashboard, type Dashboard, type DashboardMessage, type DashboardOptions } from 'hfxbus/dashboard';

const connection = ConnectionManager.standalone();
const options: DashboardOptions = {
  authorize: async ({ headers }) => headers.cookie === 'x' && { user: 'ann' },
  actions: true,
};
const dashboard: Dashboard = createDashboard([connection], options);
createDashboard({ main: connection }, { public: true, streams: ['a'] as const });
http.createServer(dashboard.handler);
const answer: Promise<Response> = dashboard.fetch(new Request('http://host/'));
answer.then(({ status }) => status.toFixed());
const nameOf = ({ by, letter }: DashboardMessage): string => by ?? letter.jobId;
nameOf.toString();

// @ts-expect-error: something must say who can read it
createDashboard(connection);
// @ts-expect-error: a text is no flag
createDashboard(connection, { public: 'true' });
// @ts-expect-error: not a ConnectionManager
createDashboard('redis://localhost', { public: true });
