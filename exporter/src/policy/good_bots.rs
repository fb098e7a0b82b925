//! Bots that site owners want: which one a request claims to be, and how that is proven. A claim alone proves nothing.

/// A bot that says how it can be told from those who only claim to be it.
#[derive(Debug, PartialEq, Eq)]
pub struct Bot {
    /// Its key in the list of published networks.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Beginnings of words in its user agent, lower case.
    words: &'static [&'static str],
    /// Suffixes of the names that its addresses have, each beginning with a dot; a name must lead back to its address. Empty: its
    /// published networks are the only proof.
    pub suffixes: &'static [&'static str],
}

const fn bot(id: &'static str, name: &'static str, words: &'static [&'static str], suffixes: &'static [&'static str]) -> Bot {
    Bot { id, name, words, suffixes }
}

/// Sources: crowdsecurity/sec-lists (MIT, July 2026) and arcjet/well-known-bots (MIT), which collect what the owners publish; Google's
/// special crawlers answer to `rate-limited-proxy-…` and `google-proxy-….google.com`, Let's Encrypt to `outbound….letsencrypt.org`.
pub(super) const BOTS: &[Bot] = &[
    bot("googlebot", "Googlebot", &["googlebot", "google-inspectiontool", "googleother", "storebot-google"], &[".googlebot.com"]),
    bot(
        "google_special",
        "Google's special crawlers",
        &["adsbot-google", "apis-google", "mediapartners-google", "feedfetcher-google", "google-safety", "google-site-verification"],
        &[".google.com", ".googlebot.com"],
    ),
    bot("bingbot", "Bingbot", &["bingbot", "bingpreview", "adidxbot", "microsoftpreview"], &[".search.msn.com"]),
    bot("applebot", "Applebot", &["applebot"], &[".applebot.apple.com"]),
    bot("yandex", "Yandex' crawlers", &["yandex"], &[".yandex.ru", ".yandex.net", ".yandex.com"]),
    bot("baidu", "Baiduspider", &["baiduspider"], &[".crawl.baidu.com", ".crawl.baidu.jp"]),
    bot("yahoo", "Yahoo! Slurp", &["slurp"], &[".crawl.yahoo.net"]),
    bot("duckduckbot", "DuckDuckBot", &["duckduckbot"], &[]),
    bot("qwant", "Qwant", &["qwantbot", "qwantify"], &[".qwant.com"]),
    bot("sogou", "Sogou", &["sogou"], &[".crawl.sogou.com"]),
    bot("amazonbot", "Amazonbot", &["amazonbot"], &[".crawl.amazonbot.amazon"]),
    bot("babbar", "Barkrowler", &["barkrowler"], &[".babbar.eu", ".babbar.tech"]),
    bot("ccbot", "Common Crawl", &["ccbot"], &[".crawl.commoncrawl.org"]),
    bot("meta", "Meta's crawlers", &["facebookexternalhit", "facebookcatalog", "meta-external"], &[".fbsv.net"]),
    bot("discord", "Discord's link previews", &["discordbot"], &[".ptr.discord.com"]),
    bot("telegram", "Telegram's link previews", &["telegrambot"], &[]),
    bot("twitterbot", "X's link previews", &["twitterbot"], &[]),
    bot("pinterest", "Pinterest's crawler", &["pinterestbot"], &[".pinterest.com", ".pinterestcrawler.com"]),
    bot("gptbot", "GPTBot", &["gptbot"], &[]),
    bot("chatgpt_user", "ChatGPT-User", &["chatgpt-user"], &[]),
    bot("oai_searchbot", "OAI-SearchBot", &["oai-searchbot"], &[]),
    bot("perplexitybot", "PerplexityBot", &["perplexitybot"], &[]),
    bot("letsencrypt", "Let's Encrypt's validation", &["letsencrypt"], &[".letsencrypt.org"]),
    bot("stripe", "Stripe's crawler", &["stripebot"], &[".crawl.stripe.com"]),
    bot("uptimerobot", "UptimeRobot", &["uptimerobot"], &[]),
    bot("datadog", "Datadog's monitors", &["datadog"], &[]),
    bot("pagerduty", "PagerDuty's webhooks", &["pagerduty"], &[]),
    bot("cookiebot", "Cookiebot's scanner", &["cookiebot"], &[]),
];

/// The most of a user agent that is looked at, in bytes: the bots of the table name themselves within 250.
const MAX_AGENT_BYTES: usize = 512;

/// Which bot the sender of this user agent claims to be.
pub fn claims(agent: &[u8]) -> Option<&'static Bot> {
    let agent = agent.get(..MAX_AGENT_BYTES).unwrap_or(agent);
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let words = agent.split(|byte| !is_of_word(byte)).filter(|word| word.len() >= SHORTEST_WORD && FIRST_TWO[first_two(word)]);
    words.filter_map(|word| BOTS.iter().find(|bot| bot.words.iter().any(|name| begins(word, name)))).next()
}

/// Shorter words of a user agent are no bot's name.
const SHORTEST_WORD: usize = 5;

/// How the bots' names begin: what nearly all words are told from them by.
static FIRST_TWO: [bool; 1 << 10] = {
    let mut begins = [false; 1 << 10];
    let mut bot = 0;
    while bot < BOTS.len() {
        let mut word = 0;
        while word < BOTS[bot].words.len() {
            begins[first_two(BOTS[bot].words[word].as_bytes())] = true;
            word += 1;
        }
        bot += 1;
    }
    begins
};

/// Five bits of each of the first two bytes, which upper and lower case letters share.
const fn first_two(word: &[u8]) -> usize {
    match word {
        [a, b, ..] => (*a as usize & 31) << 5 | *b as usize & 31,
        _ => 0,
    }
}

fn begins(word: &[u8], name: &str) -> bool {
    word.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bots_are_known_by_their_agents() {
        for (agent, expected) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "googlebot"),
            ("Googlebot-Image/1.0", "googlebot"),
            ("AdsBot-Google (+http://www.google.com/adsbot.html)", "google_special"),
            ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
            ("Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)", "yahoo"),
            ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "yandex"),
            ("Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)", "letsencrypt"),
            ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "meta"),
            ("CCBOT/2.0", "ccbot"),
        ] {
            assert_eq!(claims(agent.as_bytes()).map(|bot| bot.id), Some(expected), "{agent}");
        }
        for agent in [
            "",
            "-",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 [Pinterest/iOS]",
            "notgooglebot/1.0",
            "curl/8.5.0",
        ] {
            assert_eq!(claims(agent.as_bytes()), None, "{agent}");
        }
    }

    #[test]
    fn the_table_says_what_its_type_says() {
        for bot in BOTS {
            assert_eq!(BOTS.iter().filter(|other| other.id == bot.id).count(), 1, "{}", bot.id);
            assert!(!bot.words.is_empty() && bot.words.iter().all(|word| word.len() >= SHORTEST_WORD), "{}", bot.id);
            assert!(bot.words.iter().all(|word| claims(word.as_bytes()) == Some(bot)), "{}", bot.id);
            assert!(bot.suffixes.iter().all(|suffix| suffix.starts_with('.') && suffix.to_lowercase() == *suffix), "{}", bot.id);
        }
    }

    #[test]
    fn a_long_agent_costs_no_more_than_a_short_one() {
        let agent = [vec![b'-'; MAX_AGENT_BYTES], b" googlebot".to_vec()].concat();
        assert_eq!(claims(&agent), None);
        assert_eq!(claims(&[0xff; 100_000]), None);
    }
}
