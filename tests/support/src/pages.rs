//! The documentation as data: pages of Markdown, their headings, links and fenced blocks. Tests type, apply and follow what
//! they find here.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A fenced block of a page.
#[derive(Debug, Clone)]
pub struct Block {
    /// The page, relative to the source tree, with `/`.
    pub page: String,
    /// The line of its first fence, from 1.
    pub line: usize,
    /// The headings that it is below, the outermost first.
    pub headings: Vec<String>,
    /// What stands behind the fence: `sh`, `yaml`; empty where nothing does.
    pub language: String,
    /// Without the fences.
    pub text: String,
    /// `web.yaml` where the paragraph before it says to save it as `` `web.yaml` ``.
    pub saved_as: Option<String>,
}

impl Block {
    /// Whether it is below a heading, directly or not.
    pub fn is_below(&self, heading: &str) -> bool {
        self.headings.iter().any(|above| above == heading)
    }

    /// Page and line, for messages.
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// The commands: a line each, lines that go on put together. Of a `console` block what stands behind `$ `.
    pub fn commands(&self) -> Vec<String> {
        let joined = self.text.replace("\\\n", " ");
        let lines = joined.lines().map(str::trim);
        let typed: Vec<&str> = match self.language.as_str() {
            "console" => lines.filter_map(|line| line.strip_prefix("$ ")).collect(),
            _ => lines
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .collect(),
        };
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        typed.into_iter().map(words).collect()
    }
}

/// A page as it is read.
#[derive(Debug, Default)]
pub struct Page {
    /// Its name, relative to the source tree, with `/`.
    pub name: String,
    /// The names that its headings are linked by.
    pub anchors: Vec<String>,
    /// What it links to and shows: the line, and the address as it is written.
    pub links: Vec<(usize, String)>,
    /// Its fenced blocks.
    pub blocks: Vec<Block>,
}

/// All pages of Markdown of a source tree, those of programs that were built or fetched left out.
///
/// # Errors
/// When the tree cannot be read.
pub fn names(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                let not_ours = name.starts_with('.') || name == "target";
                if !not_ours {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                let relative = path.strip_prefix(root)?.to_string_lossy();
                found.push(relative.replace('\\', "/"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a page.
///
/// # Errors
/// When there is no such page.
pub fn read(root: &Path, name: &str) -> Result<Page> {
    let text =
        std::fs::read_to_string(root.join(name)).with_context(|| format!("no page {name}"))?;
    Ok(parse(name, &text))
}

/// The blocks of a language below a heading of a page, in their order.
///
/// # Errors
/// When there is no such page, or there are no such blocks.
pub fn blocks(root: &Path, name: &str, heading: &str, language: &str) -> Result<Vec<Block>> {
    let mut all = read(root, name)?.blocks;
    all.retain(|block| block.is_below(heading) && block.language == language);
    ensure!(
        !all.is_empty(),
        "{name} has no {language} blocks below {heading:?}"
    );
    Ok(all)
}

/// Reads the text of a page.
pub fn parse(name: &str, text: &str) -> Page {
    let mut page = Page {
        name: name.to_owned(),
        ..Page::default()
    };
    let line_of = |offset: usize| text[..offset].matches('\n').count() + 1;
    let mut headings: Vec<(HeadingLevel, String)> = Vec::new();
    let mut words = String::new();
    let mut paragraph = String::new();
    let mut codes: Vec<String> = Vec::new();
    let mut block: Option<Block> = None;
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                headings.retain(|(above, _)| *above < level);
                words.clear();
            }
            Event::End(TagEnd::Heading(level)) => {
                page.anchors.push(anchor(&words, &page.anchors));
                headings.push((level, words.clone()));
            }
            Event::Start(Tag::Paragraph) => {
                words.clear();
                codes.clear();
            }
            Event::End(TagEnd::Paragraph) => paragraph.clone_from(&words),
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links
                    .push((line_of(range.start), dest_url.to_string()));
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some(Block {
                    page: name.to_owned(),
                    line: line_of(range.start),
                    headings: headings.iter().map(|(_, text)| text.clone()).collect(),
                    language,
                    text: String::new(),
                    saved_as: saved_as(&paragraph, &codes),
                });
            }
            Event::End(TagEnd::CodeBlock) => {
                page.blocks.extend(block.take());
                paragraph.clear();
                codes.clear();
            }
            Event::Text(part) => match &mut block {
                Some(block) => block.text.push_str(&part),
                None => words.push_str(&part),
            },
            Event::Code(part) => {
                words.push_str(&part);
                codes.push(part.to_string());
            }
            Event::SoftBreak | Event::HardBreak => words.push(' '),
            _ => {}
        }
    }
    page
}

/// The first file named in a paragraph that tells to save something.
fn saved_as(paragraph: &str, codes: &[String]) -> Option<String> {
    let tells = paragraph.contains("Save ") || paragraph.contains("save ");
    let is_file = |code: &&String| code.ends_with(".yaml") && !code.contains([' ', '/']);
    codes.iter().find(is_file).filter(|_| tells).cloned()
}

/// By which a forge links a heading: small letters, blanks as hyphens, without other signs; one that is there already gets a
/// number.
fn anchor(heading: &str, there: &[String]) -> String {
    let mut plain = String::new();
    for sign in heading.trim().to_lowercase().chars() {
        match sign {
            ' ' => plain.push('-'),
            '-' | '_' => plain.push(sign),
            _ if sign.is_alphanumeric() => plain.push(sign),
            _ => {}
        }
    }
    let numbered = (1..).map(|number| format!("{plain}-{number}"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    names.find(|name| !there.contains(name)).unwrap_or(plain)
}
