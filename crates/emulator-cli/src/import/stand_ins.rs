//! Names, ids and addresses, and what is written in their place: for the same one the same,
//! wherever it stands.

use std::collections::{HashMap, HashSet};

/// Ids of accounts that stand in for others come after this one. The first is the account of a fixture
/// that names none.
const FIRST: usize = 1_000_000_000_000_000;

/// Gives out stand-ins.
#[derive(Debug, Default)]
pub struct StandIns {
    /// Ids, names and values of tags stay as they are, but for ids of accounts in them.
    keep: bool,
    /// Ids of images that belong to Alibaba Cloud.
    public: HashSet<String>,
    /// By what they stand for. A name that is somewhere an id, or the value of a tag, is the same in
    /// both places.
    given: HashMap<String, String>,
    counts: HashMap<String, usize>,
}

impl StandIns {
    /// With `keep` names and ids stay, and addresses are left out.
    pub fn new(keep: bool, public_images: HashSet<String>) -> Self {
        Self {
            keep,
            public: public_images,
            ..Self::default()
        }
    }

    fn of(&mut self, kind: &str, own: &str, make: impl FnOnce(usize) -> String) -> String {
        if let Some(given) = self.given.get(own) {
            return given.clone();
        }
        let count = self.counts.entry(kind.to_owned()).or_default();
        *count += 1;
        let given = make(*count);
        self.given.insert(own.to_owned(), given.clone());
        given
    }

    /// An id of the same shape: what is before the first hyphen, and as many characters behind it.
    pub fn id(&mut self, own: &str) -> String {
        if self.keep || own.is_empty() {
            return own.to_owned();
        }
        let (prefix, rest) = match own.split_once('-') {
            Some((prefix, rest)) => (format!("{prefix}-"), rest),
            None => (String::new(), own),
        };
        // Sixteen digits are what ids look like that the emulator makes up.
        let width = match rest.chars().count() {
            16 => 17,
            width => width.min(64),
        };
        let kind = format!("id {prefix}");
        self.of(&kind, own, |n| format!("{prefix}{n:0width$}"))
    }

    /// The id of an image. Those of Alibaba Cloud are the same in every account.
    pub fn image(&mut self, own: &str) -> String {
        match self.public.contains(own) || !own.starts_with("m-") {
            true => own.to_owned(),
            false => self.id(own),
        }
    }

    /// Whether an image belongs to Alibaba Cloud.
    pub fn is_public(&self, image: &str) -> bool {
        self.public.contains(image)
    }

    /// A name: `group-1`.
    pub fn name(&mut self, kind: &str, own: &str) -> String {
        match self.keep || own.is_empty() {
            true => self.without_accounts(own),
            false => self.of(kind, own, |n| format!("{kind}-{n}")),
        }
    }

    /// A text that stays, with stand-ins for the ids of accounts in it: a word of sixteen digits is one.
    fn without_accounts(&mut self, own: &str) -> String {
        let mut text = String::new();
        for part in own.split_inclusive(|c: char| !c.is_alphanumeric()) {
            let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
            let is_account = word.len() == 16 && word.bytes().all(|b| b.is_ascii_digit());
            match is_account {
                true => text.push_str(&self.of("account", word, |n| format!("{:016}", FIRST + n))),
                false => text.push_str(word),
            }
            text.push_str(&part[word.len()..]);
        }
        text
    }

    /// An address, of the range that RFC 2544 keeps for tests; none when names stay.
    pub fn address(&mut self, own: &str) -> Option<String> {
        let address = |n: usize| {
            let (second, third, fourth) = (18 + ((n >> 16) & 1), (n >> 8) & 0xFF, n & 0xFF);
            format!("198.{second}.{third}.{fourth}")
        };
        (!self.keep && !own.is_empty()).then(|| self.of("address", own, address))
    }

    /// A tag. Keys stay, unless there is an id, a number or an address in them: `team`, and not
    /// `kubernetes.io/cluster/c0123456789abcdef`.
    pub fn tag(&mut self, key: &str, value: &str) -> (String, String) {
        if self.keep {
            return (self.without_accounts(key), self.without_accounts(value));
        }
        let key = match tells(key) {
            true => self.name("key", key),
            false => key.to_owned(),
        };
        (key, self.name("value", value))
    }

    /// The image of a container: `registry.example.com/image-1:tag-1`.
    pub fn container_image(&mut self, own: &str) -> String {
        if self.keep {
            return self.without_accounts(own);
        }
        let without_digest = own.split('@').next().unwrap_or(own);
        let (repository, tag) = match without_digest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, tag),
            _ => (without_digest, ""),
        };
        let image = self.name("image", repository);
        let tag = match tag {
            "" => String::new(),
            tag => format!(":{}", self.name("tag", tag)),
        };
        format!("registry.example.com/{image}{tag}")
    }
}

/// Whether a key of a tag tells whose it is: it has an address of IPv4 or mail, or a word of twelve
/// or more letters and digits with a digit among them.
fn tells(key: &str) -> bool {
    let numbers = key.split(|c: char| !c.is_ascii_digit() && c != '.');
    let is_address = |text: &str| text.parse::<std::net::Ipv4Addr>().is_ok();
    let words = key.split(|c: char| !c.is_alphanumeric());
    let is_id = |word: &str| word.len() >= 12 && word.contains(|c: char| c.is_ascii_digit());
    key.contains('@') || numbers.into_iter().any(is_address) || words.into_iter().any(is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given() -> StandIns {
        StandIns::new(false, HashSet::from(["aliyun_3_x64.vhd".to_owned()]))
    }

    #[test]
    fn the_same_has_the_same_and_keeps_its_shape() {
        let mut given = given();
        let group = given.id("asg-bp1ffogfdauy0jw0kxyz");
        assert_eq!(group, "asg-00000000000000000001");
        assert_eq!(given.id("asg-other"), "asg-00002");
        assert_eq!(given.id("asg-bp1ffogfdauy0jw0kxyz"), group);
        assert_eq!(given.id("i-0123456789abcdef"), "i-00000000000000001");
        assert_eq!(given.image("aliyun_3_x64.vhd"), "aliyun_3_x64.vhd");
        assert_eq!(given.name("group", "shop"), "group-1");
        assert_eq!(given.address("47.1.2.3"), Some("198.18.0.1".to_owned()));
        let tag = given.tag("acs:autoscaling:scalingGroupId", "asg-bp1ffogfdauy0jw0kxyz");
        assert_eq!(tag, ("acs:autoscaling:scalingGroupId".to_owned(), group));
    }

    #[test]
    fn ids_of_accounts_do_not_stay_where_names_do() {
        let mut kept = StandIns::new(true, HashSet::new());
        let tag = kept.tag(
            "owner/1234567890123456",
            "acs:ram::1234567890123456:role/shop,6543210987654321",
        );
        assert_eq!(tag.0, "owner/1000000000000001");
        assert_eq!(
            tag.1,
            "acs:ram::1000000000000001:role/shop,1000000000000002"
        );
        assert_eq!(
            kept.name("group", "web-1234567890123456"),
            "web-1000000000000001"
        );
        let image = kept.container_image("registry.example.com/1234567890123456/shop:v1");
        assert_eq!(image, "registry.example.com/1000000000000001/shop:v1");
        // Neither a date nor a word with digits in it is one.
        let other = ("since-20260105", "c0123456789abcde/12345678901234567");
        let tag = kept.tag(other.0, other.1);
        assert_eq!((tag.0.as_str(), tag.1.as_str()), other);
        assert_eq!(
            kept.id("asg-bp1ffogfdauy0jw0kxyz"),
            "asg-bp1ffogfdauy0jw0kxyz"
        );
    }

    #[test]
    fn keys_of_tags_stay_unless_they_tell_whose_they_are() {
        for key in [
            "team",
            "app.kubernetes.io/name",
            "acs:rm:rgId",
            "v2",
            "env-2026",
        ] {
            assert!(!tells(key), "{key}");
        }
        for key in [
            "kubernetes.io/cluster/c0123456789abcdef",
            "owner-1234567890123456",
            "ip-10.1.2.3",
            "me@example.com",
        ] {
            assert!(tells(key), "{key}");
        }
    }

    #[test]
    fn images_of_containers_keep_which_are_the_same() {
        let mut given = given();
        let image = given.container_image("registry.corp.example/team/shop:v1");
        assert_eq!(image, "registry.example.com/image-1:tag-1");
        let image = given.container_image("registry.corp.example:5000/team/shop");
        assert_eq!(image, "registry.example.com/image-2");
        let image = given.container_image("registry.corp.example/team/shop:v2@sha256:0123");
        assert_eq!(image, "registry.example.com/image-1:tag-2");
    }
}
