using Linformer.Data;
using Linformer.Training.Tests.Checkpoints;

namespace Linformer.Training.Tests;

public sealed class WorldHistoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string File => Path.Combine(_folder.Root, "history.json");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Steps_of_the_same_number_of_ranks_are_one_segment()
    {
        var history = WorldHistory.Empty;
        history.IsComplete.ShouldBeTrue();
        foreach (var ranks in (int[])[2, 2, 2, 1, 0, 0, 3])
        {
            history = history.Add(ranks);
        }

        history.Segments.ShouldBe([new WorldSegment(1, 2), new WorldSegment(4, 1), new WorldSegment(5, 0), new WorldSegment(7, 3)]);
        history.Steps.ShouldBe(7);
        Enumerable.Range(0, 4).Select(history.LastStepOf).ShouldBe([3L, 4, 6, 7]);
        history.SkippedSteps.ShouldBe([5L, 6]);
        history.IsComplete.ShouldBeTrue();
    }

    [Fact]
    public void A_history_is_written_in_the_documented_format_and_read_again()
    {
        var history = new WorldHistory([new WorldSegment(1, 2), new WorldSegment(58, 1)], 2000);
        history.Save(File);
        System.IO.File.ReadAllText(File).ShouldBe("""{"format":1,"steps":2000,"segments":[{"from":1,"ranks":2},{"from":58,"ranks":1}]}""");
        WorldHistory.Load(File).ShouldBe(history);
    }

    [Fact]
    public void What_was_before_an_older_checkpoint_is_not_known()
    {
        var history = WorldHistory.Unknown(100).Add(2);
        history.IsComplete.ShouldBeFalse();
        history.Segments.ShouldBe([new WorldSegment(101, 2)]);
        history.Save(File);
        Should.Throw<BadDataException>(() => WorldHistory.Load(File)).Message.ShouldBe($"{File}: begins with step 101; the steps before are not known.");
    }

    [Theory]
    [InlineData("", "is not a history")]
    [InlineData("null", "null")]
    [InlineData("[]", "is not a history")]
    [InlineData("""{"format":1,"steps":3}""", "segments")]
    [InlineData("""{"format":1,"steps":3,"segments":null}""", "segments")]
    [InlineData("""{"format":1,"steps":3,"segments":[null]}""", "from step")]
    [InlineData("""{"format":1,"steps":3,"segments":[{"from":1}]}""", "ranks")]
    [InlineData("""{"format":2,"steps":3,"segments":[{"from":1,"ranks":1}]}""", "has format 2; this program reads 1")]
    [InlineData("""{"format":1,"steps":3,"segments":[{"from":1,"ranks":-1}]}""", "-1 ranks from step 1")]
    [InlineData("""{"format":1,"steps":3,"segments":[{"from":1,"ranks":1},{"from":1,"ranks":2}]}""", "2 ranks from step 1 on; its step must be from 2 to 3")]
    [InlineData("""{"format":1,"steps":3,"segments":[{"from":1,"ranks":1},{"from":4,"ranks":2}]}""", "from 2 to 3")]
    [InlineData("""{"format":1,"steps":3,"segments":[]}""", "begins with step 4")]
    [InlineData("""{"format":1,"steps":9223372036854775807,"segments":[{"from":1,"ranks":0}]}""", "leaves out more than 100000 steps")]
    [InlineData("""{"format":1,"steps":1000000000,"segments":[{"from":1,"ranks":2},{"from":2,"ranks":0}]}""", "leaves out more than 100000 steps")]
    public void What_is_no_history_is_an_error_that_names_the_file(string text, string expected)
    {
        System.IO.File.WriteAllText(File, text);
        var message = Should.Throw<BadDataException>(() => WorldHistory.Load(File)).Message;
        message.ShouldStartWith(File);
        message.ShouldContain(expected);
    }

    [Fact]
    public void A_file_that_is_not_there_is_an_error_that_names_it() =>
        Should.Throw<BadDataException>(() => WorldHistory.Load(File)).Message.ShouldContain(File);
}
