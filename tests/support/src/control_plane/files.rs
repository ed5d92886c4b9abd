//! The files that a control plane is started with.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};

use crate::audit;

pub const TOKENS: &str = "tokens.csv";
pub const AUDIT_POLICY: &str = "audit-policy.yaml";
pub const AUDIT_LOG: &str = "audit.log";
pub const SERVICE_ACCOUNT_KEY: &str = "service-account.key";
pub const SERVICE_ACCOUNT_PUBLIC_KEY: &str = "service-account.pub";

/// The tokens of the users that exist besides ServiceAccounts.
pub struct Users {
    pub admin: String,
    pub controller_manager: String,
}

/// Writes everything but the kubeconfigs.
pub fn write(dir: &Path) -> Result<Users> {
    let users = Users {
        admin: random_token()?,
        controller_manager: random_token()?,
    };
    // token, user, uid, groups. The controller-manager is an admin too: its own ClusterRole lacks what its
    // controllers would get from ServiceAccounts of their own.
    let tokens = format!(
        "{},admin,admin,system:masters\n{},system:kube-controller-manager,controller-manager,system:masters\n",
        users.admin, users.controller_manager
    );
    fs::write(dir.join(TOKENS), tokens)?;
    fs::write(dir.join(AUDIT_POLICY), audit::POLICY)?;
    fs::write(dir.join(AUDIT_LOG), "")?;
    let key = rcgen::KeyPair::generate()?;
    fs::write(dir.join(SERVICE_ACCOUNT_KEY), key.serialize_pem())?;
    fs::write(dir.join(SERVICE_ACCOUNT_PUBLIC_KEY), key.public_key_pem())?;
    Ok(users)
}

pub fn write_kubeconfig(
    path: &Path,
    server: &str,
    certificate_authority: &Path,
    token: &str,
) -> Result<()> {
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": certificate_authority}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    fs::write(path, kubeconfig.to_string())
        .with_context(|| format!("cannot write {}", path.display()))
}

fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
