/** ES modules get the same names, and the whole as the default. */
import hfxbus, { ConnectionManager, type Job } from 'hfxbus';

export const connection: ConnectionManager = hfxbus.ConnectionManager.standalone();
export const same: typeof ConnectionManager = hfxbus.ConnectionManager;
export const id = (job: Job): string => job.id;
