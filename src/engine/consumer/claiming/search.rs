//! Search of a stream for candidates: its length, and its continuation while there is a backlog.

use tokio::time::Instant;

use crate::redis_io::error::RedisError;

use crate::engine::consumer::Consumer;
use crate::engine::consumer::claiming::inspection::PageRange;
use crate::engine::consumer::state::Phase;
use crate::engine::consumer::state::claim_backlog::SearchProgress;

/// Maximum number of pages of one stream in a row, so that a long list delays no other stream.
const MAX_PAGES: usize = 10;
/// Minimum number of entries of a page in a backlog, since other consumers can claim some of them first.
const MIN_PAGE_SIZE: usize = 16;

/// Search of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClaimSearch {
    /// Its index.
    pub(crate) stream: usize,
    /// True if the stream itself is inspected.
    pub(crate) inspects: bool,
    /// True if the search continues with a backlog. Then its first page is not much larger than the number of free
    /// slots.
    pub(crate) continues_backlog: bool,
}

impl ClaimSearch {
    /// Creates a search without an inspection.
    pub(crate) fn of(stream: usize) -> Self {
        Self { stream, inspects: false, continues_backlog: false }
    }
}

/// Result of a page that is not the last one.
struct PageResult {
    /// True if entries were claimed or dead-lettered.
    took: bool,
    /// True if more candidates are due than slots are free.
    is_crowded: bool,
}

impl Consumer {
    /// Searches the streams with a backlog once each, as long as slots are free.
    pub(crate) async fn claim_more(&self) {
        if self.reconnect_grace().is_some() {
            // Slots are not kept for claims meanwhile. The next cycle finds the backlog again.
            self.lock().claim_backlog.clear();
            return self.step();
        }
        let (mut kept, streams) = (0, self.lock().claim_backlog.len());
        for _ in 0..streams {
            let Some(search) = self.next_of_backlog(&mut kept) else { break };
            self.search(search, &mut kept).await;
        }
        self.end_search(kept);
    }

    /// Returns the next search of the backlog, if a slot is free. `kept` grows by the slots that reads leave for it.
    fn next_of_backlog(&self, kept: &mut usize) -> Option<ClaimSearch> {
        let mut state = self.lock();
        let free = state.free(self.options.concurrency);
        if state.phase != Phase::Playing || free + *kept == 0 {
            return None;
        }
        let stream = state.claim_backlog.first()?;
        let share = state.claim_backlog.share(free).min(self.options.claim_page_size - *kept);
        *kept += state.reserve(self.options.concurrency, share);
        Some(ClaimSearch { continues_backlog: true, ..ClaimSearch::of(stream) })
    }

    /// Searches one stream with the `kept` slots and other free ones, and notes whether more candidates are due.
    /// Keeps one slot that is left.
    pub(crate) async fn search(&self, search: ClaimSearch, kept: &mut usize) {
        let progress = self.claim_stream(search, kept).await.unwrap_or_else(|error| {
            self.claim_failed(error);
            SearchProgress::Through
        });
        let mut state = self.lock();
        let progress = if state.phase == Phase::Playing { progress } else { SearchProgress::Through };
        state.claim_backlog.search(search.stream, progress);
    }

    /// Returns the slots that are still `kept`, to entries that wait. With a free slot and a backlog, the next search begins
    /// at once.
    pub(crate) fn end_search(&self, kept: usize) {
        self.lock().reserved -= kept;
        self.step();
    }

    async fn claim_stream(
        &self,
        search: ClaimSearch,
        kept: &mut usize,
    ) -> Result<SearchProgress, RedisError> {
        let (mut took, mut progress) = (false, SearchProgress::Through);
        for page in 0..MAX_PAGES {
            let Some(step) = self.claim_page(search, page == 0, kept).await? else {
                progress = SearchProgress::Through;
                break;
            };
            took |= step.took;
            if took || step.is_crowded {
                progress = SearchProgress::More { took };
            }
            if step.is_crowded {
                break;
            }
        }
        self.lock().last_claim_failure = None;
        Ok(progress)
    }

    /// Claims from one page of a stream. Returns `None` for the last page, and if the stream cannot be searched now.
    async fn claim_page(
        &self,
        search: ClaimSearch,
        is_first: bool,
        kept: &mut usize,
    ) -> Result<Option<PageResult>, RedisError> {
        let ClaimSearch { stream, inspects, continues_backlog } = search;
        let (lane, key, from) = {
            let mut state = self.lock();
            if state.phase != Phase::Playing || !state.streams[stream].is_claimed() {
                return Ok(None);
            }
            let stream = &mut state.streams[stream];
            stream.search_began.get_or_insert_with(Instant::now);
            (stream.lane, stream.key.clone(), stream.claim_from)
        };
        let size =
            if continues_backlog && is_first { self.size_for(*kept) } else { self.options.claim_page_size };
        let asked = Instant::now();
        let page =
            self.pending_page(stream, lane, &key, PageRange { from, size }, inspects && is_first).await;
        if self.reconnect_grace().is_some() {
            // The connection was lost in between.
            return Ok(None);
        }
        let is_known = page.as_ref().is_ok_and(|page| page.entries.is_some());
        let decided = self.decide(stream, page, size, kept);
        self.step();
        let (plan, idle) = decided?;
        let (is_crowded, ends) = (plan.crowded, plan.next.is_none() && !plan.crowded);
        let has_dead_letters = self.options.dead_letter.is_some() && !plan.exhausted.is_empty();
        let took = has_dead_letters || !plan.claim.is_empty();
        self.claim(stream, lane, &key, plan.claim, (idle, asked)).await?;
        if has_dead_letters {
            // Each move takes some trips, and the next page or search reserves a free slot again.
            self.end_search(std::mem::take(kept));
        }
        self.end_exhausted(stream, lane, &key, plan.exhausted, idle, ends).await?;
        Ok((is_known && !ends).then_some(PageResult { took, is_crowded }))
    }

    /// Returns the page size for a search with few free slots.
    fn size_for(&self, kept: usize) -> usize {
        let room = kept.saturating_add(self.lock().free(self.options.concurrency));
        room.max(MIN_PAGE_SIZE).min(self.options.claim_page_size)
    }
}
