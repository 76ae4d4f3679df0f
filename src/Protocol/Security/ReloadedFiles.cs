namespace Linformer.Protocol.Security;

/// <summary>Something read from files, and read again when they have changed: whoever renews a certificate or a token only replaces the files. For any number of threads.</summary>
/// <typeparam name="T">What is read.</typeparam>
public sealed class ReloadedFiles<T>
    where T : class
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<string> _paths;
    private readonly Func<T> _load;
    private readonly Action<string> _report;
    private readonly Action<string> _warn;
    private readonly TimeProvider _time;
    private volatile T _current;
    private string _taken;
    private (string Stamp, string Message) _failed;
    private long _lookedAt;
    private int _looking;

    /// <summary>Reads the files.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="load">Reads them; what it throws at the first time is thrown on, and later told as the reason why the files are not taken.</param>
    /// <param name="report">Is told when they were read again, and when they could not be; what was read before stays then.</param>
    /// <param name="time">The clock; null for the system's.</param>
    /// <param name="warn">Is told when they could not be read again, in place of <paramref name="report"/>; null for the latter.</param>
    public ReloadedFiles(IReadOnlyList<string> paths, Func<T> load, Action<string>? report, TimeProvider? time = null, Action<string>? warn = null)
    {
        (_paths, _load, _report, _time) = (paths, load, report ?? (_ => { }), time ?? TimeProvider.System);
        _warn = warn ?? _report;
        _taken = Stamp();
        _current = load();
        _lookedAt = _time.GetTimestamp();
    }

    /// <summary>The newest that could be read.</summary>
    public T Current
    {
        get
        {
            // One looks, and others go on with what there is: a storage that hangs must not hold up everybody.
            if (_time.GetElapsedTime(Interlocked.Read(ref _lookedAt)) >= LookInterval && Interlocked.Exchange(ref _looking, 1) == 0)
            {
                try
                {
                    Look();
                }
                finally
                {
                    Volatile.Write(ref _looking, 0);
                }
            }
            return _current;
        }
    }

    private void Look()
    {
        Interlocked.Exchange(ref _lookedAt, _time.GetTimestamp());
        var stamp = Stamp();
        if (stamp == _taken)
            return;
        try
        {
            _current = _load();
        }
        catch (Exception exception)
        {
            // What is wrong may be mended without a change of the files, such as who may read them: so they are read with every look.
            if (_failed == (stamp, exception.Message))
                return;
            _failed = (stamp, exception.Message);
            _warn($"{exception.Message} What was read before is used until then.");
            return;
        }
        (_taken, _failed) = (stamp, default);
        _report($"{string.Join(" and ", _paths)} changed and was read again");
    }

    // Mounted secrets are symbolic links that are replaced, so the targets count.
    private string Stamp() => string.Join('|', _paths.Select(path =>
    {
        try
        {
            var file = new FileInfo(path);
            var target = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
            return target.Exists ? $"{target.FullName} {target.LastWriteTimeUtc.Ticks} {target.Length}" : "";
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return exception.Message;
        }
    }));
}
