//! `keycroft service print`: the configuration block for a proxy that verifies each request with Keycroft.
//!
//! [`requirement::REQUIREMENTS`] lists what a block does, with the lines for each proxy. The files beside it hold the frame
//! that these lines stand in.

mod caddy;
mod nginx;
mod requirement;
mod traefik;

use clap::{Args, ValueEnum};

use crate::model::permission::Permission;
use crate::model::service::parse_service_name;
use crate::terminal::exit::{Failure, USAGE};
use crate::terminal::output::line;

/// A proxy that a block can be printed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Proxy {
    Nginx,
    Caddy,
    Traefik,
}

#[derive(Args)]
pub struct ProxyArguments {
    /// Proxy to print the configuration for
    proxy: Proxy,
    /// Name of the application, used in the configuration
    #[arg(default_value = "application")]
    name: String,
    /// Address on which the proxy listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    listen: String,
    /// Address of the application
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDR:PORT")]
    application: String,
    /// Address at which the proxy reaches Keycroft
    #[arg(long, default_value = "127.0.0.1:8420", value_name = "ADDR:PORT")]
    keycroft: String,
    /// Permission that a request requires, such as slurm:submit; repeatable
    #[arg(long = "permission", short = 'p', value_name = "PERMISSION")]
    permissions: Vec<String>,
    /// Offer Basic authentication, for git, wget and browsers
    #[arg(long)]
    basic: bool,
    /// Let CORS preflight requests through without a credential
    #[arg(long)]
    allow_preflight: bool,
}

impl ProxyArguments {
    /// The name as part of an nginx variable or upstream: no hyphens.
    fn identifier(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The query for `/verify`, empty when there is nothing to request.
    fn query(&self) -> String {
        let challenge = self.basic.then(|| "challenge=basic".to_owned());
        let permissions = self.permissions.iter();
        let permissions = permissions.map(|permission| format!("permission={permission}"));
        challenge
            .into_iter()
            .chain(permissions)
            .collect::<Vec<_>>()
            .join("&")
    }

    fn block(&self) -> String {
        match self.proxy {
            Proxy::Nginx => nginx::block(self),
            Proxy::Caddy => caddy::block(self),
            Proxy::Traefik => traefik::block(self),
        }
    }
}

/// `keycroft service print`.
pub fn print(wanted: &ProxyArguments) -> Result<(), Failure> {
    let wrong = |what: &str, why: &str| Failure::new(USAGE, format!("{what}: {why}"));
    parse_service_name(&wanted.name).map_err(|why| wrong(&wanted.name, why))?;
    for (flag, address) in [
        ("--listen", &wanted.listen),
        ("--application", &wanted.application),
        ("--keycroft", &wanted.keycroft),
    ] {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
        if address.is_empty() || !address.bytes().all(fits) {
            return Err(wrong(flag, "expected an address and a port"));
        }
    }
    for permission in &wanted.permissions {
        Permission::parse(permission).map_err(|why| wrong("--permission", &why))?;
    }
    line(wanted.block().trim_end())
}

#[cfg(test)]
mod tests {
    use super::requirement::{REQUIREMENTS, means_for_documentation};
    use super::*;
    use crate::wire::{IDENTITY_HEADERS, SECRET_HEADERS};

    fn wanted(proxy: Proxy) -> ProxyArguments {
        ProxyArguments {
            proxy,
            name: "slurm".to_owned(),
            listen: "127.0.0.1:8080".to_owned(),
            application: "127.0.0.1:9000".to_owned(),
            keycroft: "127.0.0.1:8420".to_owned(),
            permissions: vec!["slurm:submit".to_owned(), "slurm:read".to_owned()],
            basic: false,
            allow_preflight: false,
        }
    }

    fn project_file(path: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn block_names_permissions_and_every_header() {
        for proxy in Proxy::value_variants() {
            let block = wanted(*proxy).block();
            assert!(
                block.contains("/verify?permission=slurm:submit&permission=slurm:read"),
                "{block}"
            );
            for header in IDENTITY_HEADERS.iter().chain(&SECRET_HEADERS) {
                assert!(block.contains(header), "{header}: {block}");
            }
        }
    }

    #[test]
    fn options_appear_in_the_block_only_when_given() {
        for proxy in Proxy::value_variants() {
            let plain = wanted(*proxy).block();
            assert!(!plain.contains("challenge"), "{plain}");
            assert!(!plain.contains("OPTIONS"), "{plain}");
            let full = ProxyArguments {
                basic: true,
                allow_preflight: true,
                ..wanted(*proxy)
            };
            let full = full.block();
            assert!(
                full.contains("/verify?challenge=basic&permission="),
                "{full}"
            );
            assert!(full.contains("OPTIONS"), "{full}");
        }
    }

    #[test]
    fn arguments_cannot_inject_configuration() {
        for (name, address) in [("x;", "127.0.0.1:1"), ("x", "127.0.0.1:1; }"), ("x", "")] {
            let mut wanted = wanted(Proxy::Nginx);
            name.clone_into(&mut wanted.name);
            address.clone_into(&mut wanted.application);
            assert_eq!(
                print(&wanted).err().map(|failure| failure.code),
                Some(USAGE)
            );
        }
    }

    #[test]
    fn examples_equal_the_printed_blocks() {
        for (proxy, file) in [
            (Proxy::Nginx, "nginx.conf"),
            (Proxy::Caddy, "caddy.Caddyfile"),
            (Proxy::Traefik, "traefik.yml"),
        ] {
            let wanted = ProxyArguments {
                permissions: vec!["slurm:submit".to_owned()],
                ..wanted(proxy)
            };
            let printed = format!("{}\n", wanted.block().trim_end());
            let example = project_file(&format!("examples/proxies/{file}"));
            assert_eq!(
                printed, example,
                "keycroft service print {file} slurm -p slurm:submit"
            );
        }
    }

    #[test]
    fn every_requirement_is_checked_and_documented() {
        let script = project_file("scripts/test.d/21-proxies");
        let page = project_file("docs/proxy.md");
        for requirement in REQUIREMENTS {
            let check = format!("\ncheck_{}() {{\n", requirement.name);
            assert!(script.contains(&check), "21-proxies lacks {check}");
            let row = means_for_documentation(requirement);
            assert!(page.contains(&row), "docs/proxy.md lacks {row}");
        }
    }
}
