//! An object store in memory that fails on demand, and remembers every checkpoint that was put there.

use std::fmt;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing is written.
    Failed,
    /// It is written, and reported as failed.
    FailedButPersisted,
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Once; all is well afterwards.
    Once,
    /// For good: nothing can be read or written any more.
    ForGood,
}

/// What happens to a hash tile whose write is reported done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deceit {
    /// It is not there.
    Lost,
    /// A bit of it is another.
    Garbled,
}

#[derive(Debug, Default)]
struct Plan {
    writes: u64,
    strike: Option<(u64, Mode, Extent)>,
    struck: Option<String>,
    keeps_all: bool,
    deceit: Option<Deceit>,
    is_dead: bool,
}

#[derive(Debug, Default)]
pub(crate) struct FaultyStore {
    inner: Arc<InMemory>,
    plan: Arc<Mutex<Plan>>,
    checkpoints: Mutex<Vec<Vec<u8>>>,
}

impl fmt::Display for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that fails on demand")
    }
}

fn injected() -> Error {
    Error::Generic { store: "faulty", source: "injected fault".into() }
}

impl Plan {
    /// Counts a write; what is to happen to it.
    fn write(&mut self, location: &Path) -> Result<Option<Mode>> {
        if self.is_dead {
            return Err(injected());
        }
        let number = self.writes;
        self.writes += 1;
        match self.strike {
            Some((at, mode, extent)) if at == number => {
                self.is_dead = extent == Extent::ForGood;
                self.struck = Some(location.to_string());
                Ok(Some(mode))
            }
            _ => Ok(None),
        }
    }
}

impl FaultyStore {
    /// Lets write number `at`, 0-based, fail; counted from now on.
    pub(crate) fn plan(&self, at: u64, mode: Mode, extent: Extent) {
        *self.plan.lock().unwrap() = Plan { strike: Some((at, mode, extent)), ..Plan::default() };
    }

    /// Lets nothing fail any more. Gives how many writes there were.
    pub(crate) fn heal(&self) -> u64 {
        std::mem::take(&mut *self.plan.lock().unwrap()).writes
    }

    /// Does not keep from now on what it says it has written.
    pub(crate) fn deceive(&self, deceit: Deceit) {
        self.plan.lock().unwrap().deceit = Some(deceit);
    }

    /// Refuses from now on to delete anything.
    pub(crate) fn keep_all(&self) {
        self.plan.lock().unwrap().keeps_all = true;
    }

    /// What the planned write was, if it was made.
    pub(crate) fn struck(&self) -> Option<String> {
        self.plan.lock().unwrap().struck.clone()
    }

    /// A copy of all that is there, with no fault planned.
    pub(crate) fn copy(&self) -> Self {
        Self { inner: Arc::new(self.inner.fork()), ..Self::default() }
    }

    /// Every checkpoint that was put here, in order.
    pub(crate) fn checkpoints(&self) -> Vec<Vec<u8>> {
        self.checkpoints.lock().unwrap().clone()
    }

    fn read(&self) -> Result<()> {
        if self.plan.lock().unwrap().is_dead { Err(injected()) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl ObjectStore for FaultyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let strike = self.plan.lock().unwrap().write(location)?;
        if strike == Some(Mode::Failed) {
            return Err(injected());
        }
        let mut bytes: Vec<u8> = payload.iter().flatten().copied().collect();
        let deceit = self.plan.lock().unwrap().deceit.filter(|_| location.as_ref().starts_with("tile/0/"));
        let put = match deceit {
            Some(Deceit::Lost) => {
                return Ok(PutResult { e_tag: None, version: None, extensions: Extensions::default() });
            }
            Some(Deceit::Garbled) => {
                bytes[0] ^= 1;
                self.inner.put_opts(location, PutPayload::from(bytes.clone()), options).await?
            }
            None => self.inner.put_opts(location, payload, options).await?,
        };
        if location.as_ref() == "checkpoint" {
            self.checkpoints.lock().unwrap().push(bytes);
        }
        if strike.is_some() { Err(injected()) } else { Ok(put) }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.read()?;
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (plan, inner) = (Arc::clone(&self.plan), Arc::clone(&self.inner));
        let delete = move |location: Result<Path>| {
            let (plan, inner) = (Arc::clone(&plan), Arc::clone(&inner));
            async move {
                let location = location?;
                let strike = {
                    let mut plan = plan.lock().unwrap();
                    if plan.keeps_all {
                        return Err(injected());
                    }
                    plan.write(&location)?
                };
                if strike != Some(Mode::Failed) {
                    let one = futures_util::stream::iter([Ok(location.clone())]).boxed();
                    inner
                        .delete_stream(one)
                        .collect::<Vec<_>>()
                        .await
                        .into_iter()
                        .collect::<Result<Vec<_>>>()?;
                }
                if strike.is_some() { Err(injected()) } else { Ok(location) }
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.read()?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
