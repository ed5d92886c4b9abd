//! Credentials that a file describes: a profile of the `aliyun` command line, or a section of the SDKs' shared file.
//!
//! The file is looked at again every minute, and at once when the service refused what it gave. While it cannot be read, or
//! says nothing that can be used, what it said before goes on.

use std::{
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::{
    Credentials, CredentialsError, CredentialsFuture, CredentialsProvider, means::Means, profile,
    shared,
};

/// How long a file that was read is taken as unchanged.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// The longest file that is read, in bytes.
const LONGEST: usize = 1024 * 1024;

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// `~/.aliyun/config.json`.
    Cli,
    /// `~/.alibabacloud/credentials.ini`.
    Shared,
}

/// A file, and which part of it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub path: PathBuf,
    pub format: Format,
    /// `ALIBABA_CLOUD_PROFILE`.
    pub profile: Option<String>,
}

impl Place {
    /// Who is described by these bytes.
    fn provider(
        &self,
        bytes: &[u8],
        means: &Means,
    ) -> Result<Arc<dyn CredentialsProvider>, CredentialsError> {
        let unusable = |why: String| unusable(self, &why);
        if bytes.len() > LONGEST {
            return Err(unusable(format!("has more than {LONGEST} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| unusable("is not text".to_owned()))?;
        // As some editors write it.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let profile = self.profile.as_deref();
        match self.format {
            Format::Cli => profile::provider(text, profile, means),
            Format::Shared => shared::provider(text, profile, means),
        }
        .map_err(unusable)
    }

    fn read(&self, read: io::Result<Vec<u8>>) -> Result<Vec<u8>, CredentialsError> {
        read.map_err(|error| unusable(self, &format!("cannot be read: {error}")))
    }
}

fn unusable(place: &Place, why: &str) -> CredentialsError {
    CredentialsError::unauthenticated(
        "credentials-file",
        format!("the credentials file {}: {why}", place.path.display()),
    )
}

/// What is in a file, up to a byte more than may be. A pipe or a device would have its reader wait, or never end.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    std::fs::File::open(path)?
        .take(most)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Held {
    digest: [u8; 32],
    read: Timestamp,
    inner: Arc<dyn CredentialsProvider>,
    /// Whether the last look failed, which has been said.
    failing: bool,
}

/// What a file gives.
pub(super) struct FileCredentials {
    place: Place,
    means: Means,
    account: String,
    held: Mutex<Held>,
    /// Held while the file is read.
    reading: tokio::sync::Mutex<()>,
}

impl fmt::Debug for FileCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileCredentials")
            .field("path", &self.place.path)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl FileCredentials {
    /// Reads it for the first time. `None`: there is no such file, or, unless somebody `named` it, none that this process may
    /// look for: the home directory of a container may belong to another user.
    ///
    /// # Errors
    /// When it cannot be read, or describes nothing that can be used.
    pub(super) fn open(
        place: Place,
        named: bool,
        means: Means,
    ) -> Result<Option<Self>, CredentialsError> {
        let read = contents(&place.path);
        let absent = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => true,
            io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => !named,
            _ => false,
        };
        if read.as_ref().is_err_and(absent) {
            return Ok(None);
        }
        let bytes = place.read(read)?;
        let inner = place.provider(&bytes, &means)?;
        let account = inner.account().to_owned();
        let held = Held {
            digest: Sha256::digest(&bytes).into(),
            read: means.config.clock.now(),
            inner,
            failing: false,
        };
        Ok(Some(Self {
            place,
            means,
            account,
            held: Mutex::new(held),
            reading: tokio::sync::Mutex::default(),
        }))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        // Whole after each statement: nothing is lost if a holder panicked.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> Arc<dyn CredentialsProvider> {
        self.held().inner.clone()
    }

    /// Looks at the file again. Whether it says something else.
    async fn read_again(&self) -> bool {
        let path = self.place.path.clone();
        let read = tokio::task::spawn_blocking(move || contents(&path)).await;
        let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
        let now = self.means.config.clock.now();
        let before = self.held().digest;
        let found = self.place.read(read).and_then(|bytes| {
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            let new = match digest == before {
                true => None,
                false => Some(self.place.provider(&bytes, &self.means)?),
            };
            Ok((digest, new))
        });
        let mut held = self.held();
        held.read = now;
        match found {
            Ok((digest, new)) => {
                held.failing = false;
                let changed = new.is_some();
                if let Some(inner) = new {
                    (held.digest, held.inner) = (digest, inner);
                }
                changed
            }
            Err(error) => {
                if !std::mem::replace(&mut held.failing, true) {
                    tracing::warn!(
                        %error,
                        "credentials file not read again; what it said before is used"
                    );
                }
                false
            }
        }
    }

    async fn now(&self) -> Result<Credentials, CredentialsError> {
        let stale = self.means.config.clock.now() >= self.held().read + FRESH;
        // While one caller reads, the others go on with what is there.
        if stale && let Ok(_reading) = self.reading.try_lock() {
            self.read_again().await;
        }
        self.inner().current().await
    }

    async fn after_rejection(
        &self,
        rejected: &Credentials,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let reading = self.reading.lock().await;
        let changed = self.read_again().await;
        drop(reading);
        let inner = self.inner();
        if !changed {
            let current = inner.current().await?;
            // Another caller was refused first, and read the file.
            if current.access_key_id == rejected.access_key_id {
                return inner.refresh_after_rejection(rejected).await;
            }
            return Ok(Some(current));
        }
        inner.current().await.map(Some)
    }
}

impl CredentialsProvider for FileCredentials {
    fn account(&self) -> &str {
        &self.account
    }

    fn current(&self) -> CredentialsFuture<'_, Credentials> {
        Box::pin(self.now())
    }

    fn refresh_after_rejection<'a>(
        &'a self,
        rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>> {
        Box::pin(self.after_rejection(rejected))
    }
}
