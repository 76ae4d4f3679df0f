using Linformer.Data;

namespace Linformer.Coordinator.Services.Previews;

/// <summary>The corpora that were looked at last. A folder's name is the hash of what is in it, so what was read stays true.</summary>
internal sealed class RecentCorpora
{
    private const int Most = 4;

    private readonly Lock _lock = new();
    private readonly LinkedList<(string Folder, CorpusExcerpts Corpus)> _recent = new();

    /// <summary>A corpus, opened if it is not among them; one that cannot be opened is tried again the next time.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="open">Opens it; two may do so at the same time.</param>
    public CorpusExcerpts Get(string folder, Func<CorpusExcerpts> open)
    {
        var corpus = Find(folder) ?? open();
        lock (_lock)
        {
            Remove(folder);
            _recent.AddFirst((folder, corpus));
            if (_recent.Count > Most)
                _recent.RemoveLast();
        }
        return corpus;
    }

    private CorpusExcerpts? Find(string folder)
    {
        lock (_lock)
            return _recent.FirstOrDefault(entry => entry.Folder == folder).Corpus;
    }

    private void Remove(string folder)
    {
        for (var node = _recent.First; node is not null; node = node.Next)
        {
            if (node.Value.Folder == folder)
            {
                _recent.Remove(node);
                return;
            }
        }
    }
}
