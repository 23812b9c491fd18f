//! The cookies of a browser: the session it is in, and the way on which it went to its organisation.

use axum::http::{HeaderMap, header};

use crate::session::{SESSION_PREFIX, SessionSecret};

/// The cookies' names, where the registry may be reached without TLS: on this machine alone.
const SESSION: &str = "trialbook_session";
const WAY: &str = "trialbook_way";

/// The same over TLS: no other host of the domain can plant a cookie of such a name, and no page without TLS.
const SESSION_OVER_TLS: &str = "__Host-trialbook_session";
const WAY_OVER_TLS: &str = "__Host-trialbook_way";

/// How a registry writes its cookies and reads them: those of a registry over TLS are none of one without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    over_tls: bool,
}

impl Cookies {
    /// Of a registry that browsers reach over TLS, or without it.
    pub fn new(over_tls: bool) -> Self {
        Self { over_tls }
    }

    /// The session that a browser presents. It is taken for reading, and for what [`Posted`](crate::Posted) vouches for.
    pub fn session(self, headers: &HeaderMap) -> Option<&str> {
        value(headers, if self.over_tls { SESSION_OVER_TLS } else { SESSION })
            .filter(|session| session.starts_with(SESSION_PREFIX))
    }

    /// The way that a browser says it has begun.
    pub fn way(self, headers: &HeaderMap) -> Option<&str> {
        value(headers, if self.over_tls { WAY_OVER_TLS } else { WAY })
    }

    /// What keeps a session in a browser.
    pub fn keep_session(self, session: &SessionSecret) -> String {
        self.of_session(&session.0, "")
    }

    /// What makes a browser forget its session.
    pub fn forget_session(self) -> String {
        self.of_session("", "; Max-Age=0")
    }

    fn of_session(self, value: &str, age: &str) -> String {
        let (name, secure) = if self.over_tls { (SESSION_OVER_TLS, "; Secure") } else { (SESSION, "") };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{age}")
    }

    /// What binds a way to a browser for so many seconds.
    pub fn keep_way(self, way: &str, seconds: u64) -> String {
        let (name, secure) = if self.over_tls { (WAY_OVER_TLS, "; Secure") } else { (WAY, "") };
        // Lax: it has to come back with a browser that the issuer sends here.
        format!("{name}={way}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={seconds}")
    }

    /// What makes a browser forget its way.
    pub fn forget_way(self) -> String {
        self.keep_way("", 0)
    }
}

/// The value of the first cookie of that name, if it is not empty.
fn value<'a>(headers: &'a HeaderMap, due: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim() == due)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presenting(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())])
    }

    fn without_attributes(cookie: &str) -> &str {
        cookie.split(';').next().unwrap()
    }

    #[test]
    fn a_cookie_is_read_as_it_was_written_and_not_across_tls() {
        for over_tls in [false, true] {
            let (cookies, others) = (Cookies::new(over_tls), Cookies::new(!over_tls));
            let session = cookies.keep_session(&SessionSecret("tbs_1".to_owned()));
            let way = cookies.keep_way("w1", 600);
            let both = format!("a=b; {}; {}", without_attributes(&way), without_attributes(&session));
            let headers = presenting(&both);
            assert_eq!((cookies.session(&headers), cookies.way(&headers)), (Some("tbs_1"), Some("w1")));
            assert_eq!((others.session(&headers), others.way(&headers)), (None, None));
            for cookie in [&session, &way] {
                let shown = (cookie.contains("; Secure"), cookie.starts_with("__Host-"));
                assert_eq!(shown, (over_tls, over_tls), "{cookie}");
                assert!(cookie.contains("; Path=/; HttpOnly; SameSite="), "{cookie}");
            }
            assert!(session.contains("SameSite=Strict") && way.contains("SameSite=Lax"), "{session} {way}");
            for gone in [cookies.forget_session(), cookies.forget_way()] {
                let headers = presenting(without_attributes(&gone));
                assert_eq!((cookies.session(&headers), cookies.way(&headers)), (None, None), "{gone}");
                assert!(gone.ends_with("; Max-Age=0"), "{gone}");
            }
        }
    }

    #[test]
    fn only_what_is_made_as_a_session_is_taken_for_one() {
        let check = |cookie: &str, due: Option<&str>| {
            assert_eq!(Cookies::new(false).session(&presenting(cookie)), due, "{cookie}");
        };
        check("other=1; trialbook_session=tbs_b", Some("tbs_b"));
        check("xtrialbook_session=tbs_b", None);
        check("trialbook_session=", None);
        check("trialbook_session=tbk_b", None);
    }
}
